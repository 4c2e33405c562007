//! Delivers a card: the page and its picture into a folder, the certificates as a table.

use super::folder::Folder;
use super::{Delivery, cancelled, failed};
use crate::connect::Services;
use crate::failure::Failure;
use crate::json;
use crate::numbers::{percentile, short_number};
use crate::table::{Table, printable};
use unitscope_proto::v1::card_picture::Kind;
use unitscope_proto::v1::{CardPicture, Job, job, job::State};

/// Writes the card, prints what to open, and fails where the job did not go well.
pub async fn deliver(
    services: &Services,
    job: &Job,
    delivery: &Delivery<'_>,
    as_json: bool,
) -> Result<(), Failure> {
    let result = match &job.result {
        Some(job::Result::CardResult(result)) => result,
        _ if as_json && !matches!(job.state(), State::Failed | State::Cancelled) => {
            json::print(&json::without_bytes(json::to_json("Job", job)));
            return Ok(());
        }
        _ => return outcome(job, ""),
    };
    let mut folder = Folder::new(services, delivery.out)?;
    let html = folder.write_artifact(result.html.as_ref(), "card.html").await?;
    let png = folder.write_artifact(result.png.as_ref(), "card.png").await?;
    if as_json {
        json::print(&json::without_bytes(json::to_json("Job", job)));
        return outcome(job, "");
    }
    print!("{}", certificates(&result.pictures));
    if html.is_some() && png.is_none() {
        let hint = console::style("hint:").for_stderr().yellow().bold();
        eprintln!(
            "{hint} the card is too large for one picture, so there is no card.png; give fewer units, or a smaller --k"
        );
    }
    if let Some((path, _)) = &png {
        println!("also {}", path.display());
    }
    if let Some((path, _)) = &html {
        println!("open {}", console::style(path.display()).bold());
    }
    outcome(job, "; the card shows what was made until then")
}

fn outcome(job: &Job, rest: &str) -> Result<(), Failure> {
    match job.state() {
        State::Failed => Err(failed(job, rest)),
        State::Cancelled => Err(cancelled(job, rest)),
        _ => Ok(()),
    }
}

/// How the made pictures score among the dataset's images.
pub fn certificates(pictures: &[CardPicture]) -> Table {
    let mut table = Table::new(&["UNIT", "MADE TO", "SCORE", "PERCENTILE", "BEATS ALL IMAGES"]);
    for picture in pictures {
        table.row(vec![
            printable(&picture.unit),
            kind_name(picture.kind()).to_string(),
            short_number(picture.score),
            percentile(picture.percentile),
            beats(picture).to_string(),
        ]);
    }
    table
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Positive => "maximize",
        Kind::Negative => "minimize",
        Kind::Diverse => "maximize, diverse",
        Kind::Unspecified => "unknown",
    }
}

/// A negative wins by a low score.
fn beats(picture: &CardPicture) -> &'static str {
    match (picture.beats_all, picture.kind()) {
        (true, Kind::Negative) => "yes, lower than every one",
        (true, _) => "yes, higher than every one",
        (false, _) => "no",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_say_who_wins() {
        let picture = |kind: Kind, score, percentile, beats_all| CardPicture {
            unit: "block3:12".into(),
            kind: kind.into(),
            score,
            percentile,
            beats_all,
            ..CardPicture::default()
        };
        let table = certificates(&[
            picture(Kind::Positive, 12.34, 100.0, true),
            picture(Kind::Negative, -3.0, 0.0, true),
            picture(Kind::Diverse, 2.5, 99.995, false),
        ]);
        let text = console::strip_ansi_codes(&table.to_string()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "UNIT       MADE TO            SCORE  PERCENTILE  BEATS ALL IMAGES");
        assert_eq!(lines[1], "block3:12  maximize           12.3   100.00      yes, higher than every one");
        assert_eq!(lines[2], "block3:12  minimize           -3.00  0.00        yes, lower than every one");
        assert_eq!(lines[3], "block3:12  maximize, diverse  2.50   99.995      no");
    }
}
