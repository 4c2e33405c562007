//! A running `unitscope-server` of a test's own, on a free port, with the models, plugins and flags that the test chooses.

use super::Client;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use unitscope_tests::build::{built, checkout};

/// Loading libtorch takes a second or two, on a busy machine ten times as long.
const START: Duration = Duration::from_secs(90);

/// What a server is started with: by default the demo model, the models of `fixtures/models`, and the built-in plugins.
pub struct Setup {
    models: Vec<PathBuf>,
    plugins: Vec<PathBuf>,
    flags: Vec<String>,
    threads: u32,
    /// The folder of the index; none: one that goes with the server.
    index: Option<PathBuf>,
}

impl Setup {
    /// The default.
    pub fn new() -> Self {
        let models = [checkout().join("demo/models"), checkout().join("tests/fixtures/models")];
        Self {
            models: models.iter().flat_map(|folder| folders_of(folder)).collect(),
            plugins: built().plugins().map(Path::to_owned).to_vec(),
            flags: Vec::new(),
            // Tests run beside each other: servers of several threads each would wait for one another's at every operator.
            threads: 1,
            index: None,
        }
    }

    /// One flag more, with its value.
    pub fn flag(mut self, name: &str, value: impl ToString) -> Self {
        self.flags.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// Threads of one operator.
    pub fn threads(self, threads: u32) -> Self {
        Self { threads, ..self }
    }

    /// Keeps the index in this folder, so that another server may go on with it.
    pub fn index(self, folder: &Path) -> Self {
        Self { index: Some(folder.to_owned()), ..self }
    }

    /// One dataset more.
    pub fn dataset(self, name: &str, location: impl std::fmt::Display) -> Self {
        self.flag("--dataset", format!("{name}={location}"))
    }

    /// One model folder more, under the folder's own name.
    pub fn model(mut self, folder: &Path) -> Self {
        self.models.push(folder.to_owned());
        self
    }

    /// One plugin library more.
    pub fn library(mut self, file: &Path) -> Self {
        self.plugins.push(file.to_owned());
        self
    }

    /// Starts the server and waits until it listens.
    pub fn start(self) -> Server {
        let (command, folder) = self.command();
        Server::spawn(command, folder)
    }

    /// Starts a server that must end by itself, and gives its exit code, what it printed and what it logged.
    pub fn fail(self) -> (Option<i32>, String, String) {
        let (mut command, _folder) = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("cargo has just built the server");
        let deadline = Instant::now() + START;
        while process.try_wait().expect("a child can be asked for").is_none() {
            if Instant::now() > deadline {
                let _ = process.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
        let ended = process.wait_with_output().expect("its pipes can be read");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
    }

    fn command(self) -> (Command, TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let link = |kind: &str, targets: &[PathBuf]| {
            let into = folder.path().join(kind);
            std::fs::create_dir(&into).expect("the temporary folder is writable");
            for target in targets {
                let name = target.file_name().expect("models and libraries have names");
                symlink(target, into.join(name)).expect("names of models and libraries differ");
            }
            into
        };
        let mut command = Command::new(built().server());
        command.arg("--models").arg(link("models", &self.models));
        command.arg("--plugins").arg(link("plugins", &self.plugins));
        command.args(["--listen", "127.0.0.1:0", "--device", "cpu"]).args(&self.flags);
        command.args(["--threads", &self.threads.to_string()]);
        command.arg("--index").arg(self.index.unwrap_or_else(|| folder.path().join("index")));
        // A developer's own settings are none of the tests' business.
        let own = std::env::vars_os().map(|(name, _)| name);
        own.filter(|name| name.to_string_lossy().starts_with("UNITSCOPE_")).for_each(|name| {
            command.env_remove(name);
        });
        (command, folder)
    }
}

/// A running server; dropping it kills it, and shows its log where the test fails.
pub struct Server {
    process: Child,
    address: String,
    log: Arc<Mutex<String>>,
    _folder: TempDir,
}

impl Server {
    /// A server of the default [`Setup`].
    pub fn start() -> Self {
        Setup::new().start()
    }

    fn spawn(mut command: Command, folder: TempDir) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("cargo has just built the server");
        let log = Arc::new(Mutex::new(String::new()));
        let (line, lines) = mpsc::channel();
        let stdout = process.stdout.take().expect("stdout is piped");
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|l| line.send(l))
        });
        keep(process.stderr.take().expect("stderr is piped"), Arc::clone(&log));
        let mut server = Self { process, address: String::new(), log, _folder: folder };
        let first = lines.recv_timeout(START);
        let first =
            first.unwrap_or_else(|_| panic!("the server did not say that it listens:\n{}", server.log()));
        let address = first.strip_prefix("listening on ");
        server.address = address.unwrap_or_else(|| panic!("the server's first line is `{first}`")).to_owned();
        // Keeps the pipe open: a server that writes to a closed one would die.
        thread::spawn(move || lines.iter().for_each(drop));
        server
    }

    /// HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A client of this server.
    pub async fn client(&self) -> Client {
        Client::connect(&self.address).await
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no thread panics while it logs").clone()
    }

    /// Asks the process to end, as a supervisor does.
    pub fn terminate(&self) {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()), "there is no `kill`, or no process");
    }

    /// Waits for the end of the process, but not for ever.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.process.try_wait().expect("a child can be asked for") {
                Some(status) => return status.code(),
                None if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
                None => panic!("the server has not ended:\n{}", self.log()),
            }
        }
    }

    /// Fails where the process has ended.
    pub fn assert_alive(&mut self) {
        let ended = self.process.try_wait().expect("a child can be asked for");
        assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the server's last lines:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}

/// Collects what a pipe says.
fn keep(mut pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut bytes) {
            log.lock()
                .expect("no thread panics while it logs")
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
}

/// The subfolders of a folder, in order of name; none where it is not there.
fn folders_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
