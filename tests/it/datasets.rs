//! Datasets in every form that they come in, and what the API says about them and about the index.

use crate::support::album::{jpeg, noise, noises};
use crate::support::ranking::{question, unit};
use crate::support::{Album, Client, Server, Setup, skip};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use tonic::Code;
use tonic_types::StatusExt;
use unitscope_proto::v1::{
    Dataset, GetDatasetRequest, Index, ListDatasetsRequest, ListIndexesRequest, RankResult, RankSpec, Reducer,
};
use unitscope_tests::build::checkout;

/// Pictures with classes; file names are the same in every form.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = noises(1, 25, 16, 3);
    files.push(("class1/photo.jpg".to_owned(), jpeg(&noise(99, 40, 30))));
    files
}

fn tar_of<'a>(files: impl IntoIterator<Item = &'a (String, Vec<u8>)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// The same pictures as a folder, by two manifests, as a shard, and as a folder of shards.
fn forms(album: &Album) -> Vec<(&'static str, String)> {
    let files = files();
    for (path, bytes) in &files {
        album.write(&format!("tree/{path}"), bytes);
    }
    let lines: Vec<String> = files.iter().map(|(path, _)| format!("tree/{path},{}\n", &path[..6])).collect();
    album.write("list.csv", format!("path,class\n{}", lines.concat()).as_bytes());
    let lines: Vec<String> = files.iter().rev().map(|(path, _)| format!("{path}\n")).collect();
    album.write("tree/list.txt", lines.concat().as_bytes());
    album.write("one.tar", &tar_of(&files));
    album.write("shards/a.tar", &tar_of(&files[..10]));
    album.write("shards/b.tar", &tar_of(&files[10..]));
    let at = |place: &str| album.path().join(place).display().to_string();
    let places = [
        ("folder", "tree"),
        ("csv", "list.csv"),
        ("text", "tree/list.txt"),
        ("shard", "one.tar"),
        ("shards", "shards"),
    ];
    places.iter().map(|(name, place)| (*name, at(place))).collect()
}

/// Id, class and score of every hit of every group; paths differ between forms.
fn outline(result: &RankResult) -> Vec<(String, String, f32, u64, f64)> {
    let groups = result.units.iter().flat_map(|unit| &unit.groups);
    let hits = groups.flat_map(|group| &group.hits);
    hits.map(|hit| (hit.image.clone(), hit.class.clone(), hit.score, hit.rank, hit.percentile)).collect()
}

fn spec(dataset: &str) -> RankSpec {
    RankSpec {
        top_k: Some(9),
        bottom_k: Some(26),
        classes: vec!["class0".to_owned(), "class1".to_owned(), "class2".to_owned()],
        ..question("twice", dataset, [unit("conv1", 1), unit("fc", 3)])
    }
}

async fn get(client: &Client, name: &str) -> Result<Dataset, tonic::Status> {
    let request = GetDatasetRequest { name: name.to_owned(), refresh: false };
    client.datasets.clone().get_dataset(request).await.map(tonic::Response::into_inner)
}

async fn indexes(client: &Client) -> Vec<Index> {
    client.datasets.clone().list_indexes(ListIndexesRequest {}).await.unwrap().into_inner().indexes
}

#[tokio::test]
async fn every_form_gives_the_same_ranking() {
    let album = Album::new();
    let forms = forms(&album);
    let setup = forms.iter().fold(Setup::new(), |setup, (name, place)| setup.dataset(name, place));
    let server = setup.start();
    let client = server.client().await;
    let (_, first) = client.rank(spec("folder")).await;
    assert_eq!((first.images, first.scored, first.skipped), (26, 26, 0));
    assert_eq!(outline(&first).len(), 2 * (9 + 26));
    for (name, _) in &forms[1..] {
        let (_, result) = client.rank(spec(name)).await;
        // Rows are images by content: whatever form they come in, they are scored once.
        assert_eq!((result.images, result.scored, result.skipped), (26, 0, 0), "{name}");
        assert_eq!(outline(&result), outline(&first), "{name}");
        let statistics =
            |result: &RankResult| result.units.iter().map(|unit| unit.statistics.clone()).collect::<Vec<_>>();
        let (found, expected) = (statistics(&result), statistics(&first));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.into_iter().flatten().zip(expected.into_iter().flatten()) {
            assert_eq!(
                (found.histogram, found.max, found.min),
                (expected.histogram, expected.max, expected.min)
            );
            assert_eq!(found.classes, 3, "{name}");
        }
    }
    let paths = |result: &RankResult| {
        result.units[0].groups[0].hits.iter().map(|hit| hit.path.clone()).collect::<Vec<_>>()
    };
    let shards = client.rank(spec("shards")).await.1;
    assert!(
        paths(&shards).iter().all(|path| path.starts_with("a.tar/class") || path.starts_with("b.tar/class")),
        "{shards:?}"
    );
}

#[tokio::test]
async fn datasets_say_what_they_hold() {
    let album = Album::new();
    let forms = forms(&album);
    album.write("tree/class0/notes.txt", b"no image");
    album.write("tree/class0/scan.TIF", b"an image that is not read");
    album.write("list.csv", b"path,class\ntree/class0/1.png,one\n../etc/x.png,two\nnowhere.png,three\n");
    let setup = forms.iter().fold(Setup::new(), |setup, (name, place)| setup.dataset(name, place));
    let server = setup.start();
    let client = server.client().await;
    let list = async || {
        client.datasets.clone().list_datasets(ListDatasetsRequest {}).await.unwrap().into_inner().datasets
    };
    let listed = list().await;
    assert_eq!(
        listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["csv", "folder", "shard", "shards", "text"]
    );
    assert!(
        listed.iter().all(|one| one.images == 0 && one.list_time.is_none() && one.classes.is_empty()),
        "nothing is read yet"
    );
    for (name, place) in &forms {
        let one = listed.iter().find(|one| one.name == *name).unwrap();
        assert_eq!(one.location, *place);
    }
    let folder = get(&client, "folder").await.unwrap();
    assert_eq!(
        (folder.kind.as_str(), folder.images, folder.classes.as_slice()),
        ("folder", 27, ["class0", "class1", "class2"].map(str::to_owned).as_slice())
    );
    assert!(folder.list_time.is_some() && folder.skipped == 0, "{folder:?}");
    let csv = get(&client, "csv").await.unwrap();
    assert_eq!(
        (csv.kind.as_str(), csv.images, csv.skipped, csv.classes.as_slice()),
        ("manifest", 1, 2, ["one".to_owned()].as_slice())
    );
    let mut skipped: Vec<_> =
        csv.skipped_files.iter().map(|file| (file.path.as_str(), file.reason.as_str())).collect();
    skipped.sort_unstable();
    assert!(skipped[0].0 == "../etc/x.png" && skipped[0].1.contains("`..`"), "{skipped:?}");
    assert!(skipped[1].0 == "nowhere.png" && skipped[1].1.contains("not there"), "{skipped:?}");
    for (name, kind) in [("shard", "shards"), ("shards", "shards"), ("text", "manifest")] {
        let one = get(&client, name).await.unwrap();
        assert_eq!((one.kind.as_str(), one.images, one.classes.len()), (kind, 26, 3), "{name}");
    }
    let listed = list().await;
    let counts: Vec<u64> = listed.iter().map(|one| one.images).collect();
    assert_eq!(counts, [1, 27, 26, 26, 26]);
    assert!(
        listed
            .iter()
            .all(|one| one.list_time.is_some() && one.classes.is_empty() && one.skipped_files.is_empty())
    );
    let status = get(&client, "foldr").await.unwrap_err();
    assert_eq!((status.code(), status.message().contains("`folder`")), (Code::NotFound, true), "{status:?}");
    assert_eq!(get(&client, "").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn indexes_say_what_they_hold() {
    let album = Album::of(&noises(1, 12, 16, 2));
    let server = Setup::new().dataset("noise", album.location()).start();
    let client = server.client().await;
    assert!(indexes(&client).await.is_empty());
    let mean = RankSpec { reducer: Reducer::Mean.into(), ..question("twice", "noise", [unit("block#1", 0)]) };
    let largest =
        RankSpec { layers: vec!["fc".to_owned()], ..question("twice", "noise", [unit("conv1", 0)]) };
    let (job, _) = client.rank(largest).await;
    client.rank(mean).await;
    let found = indexes(&client).await;
    let mut tables: Vec<_> =
        found.iter().map(|one| (one.layer.as_str(), one.reading.as_str(), one.images, one.units)).collect();
    tables.sort_unstable();
    assert_eq!(tables, [("block#1", "mean", 12, 6), ("conv1", "max", 12, 6), ("fc", "value", 12, 4)]);
    let digest = job.provenance.unwrap().model_digest;
    for one in &found {
        assert_eq!((one.model.as_str(), &one.model_digest, one.id.len()), ("twice", &digest, 32));
        assert!(one.size_bytes >= 12 * 4 * u64::from(one.units), "{one:?}");
        assert!(one.create_time.is_some() && one.use_time.is_some());
        assert!(one.preprocessing.contains("16 x 16") && one.preprocessing.contains("mean"), "{one:?}");
    }
    assert_eq!(found[0].layer, "block#1", "the one used last comes first: {found:?}");
    client.rank(question("twice", "noise", [unit("fc", 1)])).await;
    assert_eq!(indexes(&client).await[0].layer, "fc");
}

/// A local S3 store that ends with the test.
struct Store {
    process: Child,
    endpoint: String,
    keys: [String; 2],
}

impl Store {
    /// None where its packages are not installed.
    fn serve(folder: &std::path::Path) -> Option<Self> {
        let packages = Some(checkout().join(".test-clients/s3")).filter(|packages| packages.is_dir())?;
        let mut python = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
        python.arg(checkout().join("tests/fixtures/s3.py")).arg(folder);
        python.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = python.spawn().expect("the interpreter runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).expect("the store says where it is");
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        Some(Self {
            process,
            endpoint: text("endpoint"),
            keys: [text("access_key_id"), text("secret_access_key")],
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // It ends when its standard input does; an error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_bucket_gives_the_folders_ranking_and_keeps_its_secrets() {
    let album = Album::new();
    let folder = &forms(&album)[0].1;
    let Some(store) = Store::serve(album.path()) else {
        return skip("datasets in an S3 store: its packages are not installed, which `make test` does");
    };
    let [id, secret] = &store.keys;
    let remote = |place: &str, secret: &str| {
        format!(
            "{{ location = 's3://images/{place}', endpoint = '{}', allow_http = true, access_key_id = '{id}', secret_access_key = '{secret}' }}",
            store.endpoint
        )
    };
    let wrong = secret.chars().rev().collect::<String>();
    let settings = Album::new();
    let lines = [
        format!("folder = '{folder}'"),
        format!("bucket = {}", remote("tree", secret)),
        format!("csv = {}", remote("list.csv", secret)),
        format!("shards = {}", remote("shards", secret)),
        format!("refused = {}", remote("tree", &wrong)),
    ];
    settings.write("settings.toml", format!("[datasets]\n{}\n", lines.join("\n")).as_bytes());
    let server = Setup::new().flag("--config", settings.path().join("settings.toml").display()).start();
    let client = server.client().await;
    let (_, bucket) = client.rank(spec("bucket")).await;
    assert_eq!((bucket.images, bucket.scored), (26, 26));
    let (_, local) = client.rank(spec("folder")).await;
    assert_eq!((local.scored, &local.units), (0, &bucket.units), "paths are the same as well");
    for name in ["csv", "shards"] {
        let (_, result) = client.rank(spec(name)).await;
        assert_eq!(outline(&result), outline(&local), "{name}");
    }
    let refused = get(&client, "refused").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    check_secrets(&client, &server, [id, secret, &wrong], &refused).await;
}

async fn check_secrets(client: &Client, server: &Server, secrets: [&String; 3], refused: &tonic::Status) {
    let listed =
        client.datasets.clone().list_datasets(ListDatasetsRequest {}).await.unwrap().into_inner().datasets;
    let bucket = listed.iter().find(|one| one.name == "bucket").unwrap();
    assert_eq!(bucket.location, "s3://images/tree");
    let shown = get(client, "bucket").await.unwrap();
    let said = [
        format!("{listed:?}"),
        format!("{shown:?}"),
        format!("{refused:?} {:?}", refused.get_error_details()),
        server.log(),
        format!("{:?}", indexes(client).await),
    ];
    for secret in secrets {
        assert!(said.iter().all(|said| !said.contains(secret.as_str())), "a secret is shown: {said:?}");
    }
}
