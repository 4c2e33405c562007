//! Names of files, and lines about them.

use super::*;

#[test]
fn files_of_groups_follow_the_sheet() {
    let group = |kind: Kind| HitGroup { kind: kind.into(), ..HitGroup::default() };
    let groups = [group(Kind::Top), group(Kind::Bottom), group(Kind::Band), group(Kind::Band)];
    assert_eq!(group_files(&groups), ["top", "band-1", "band-2", "bottom"]);
}

#[test]
fn many_files_are_counted() {
    let paths: Vec<PathBuf> = (0..9).map(|number| format!("{number}.png").into()).collect();
    let check = |count: usize, text: Option<&str>| {
        let paths: Vec<&PathBuf> = paths.iter().take(count).collect();
        assert_eq!(files_line(&paths).as_deref(), text);
    };
    check(0, None);
    check(2, Some("0.png, 1.png"));
    check(6, Some("0.png, 1.png, 2.png, 3.png, 4.png, 5.png"));
    check(9, Some("0.png, 1.png, 2.png, 3.png, 4.png, 5.png and 3 more"));
}
