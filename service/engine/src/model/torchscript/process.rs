//! Starts the process that reads a TorchScript file, and takes its answer; knows no program.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::error::ModelError;
use super::super::limits;
use super::reader::{ANSWER, REFUSAL};

/// The program that reads TorchScript files in a process of its own: one whose `main` calls [`super::reader::run_if_asked`] first.
#[derive(Debug, Clone)]
pub struct Reader {
    program: PathBuf,
}

impl Default for Reader {
    /// This very program, even if its file has been replaced.
    fn default() -> Self {
        Self::at(Path::new("/proc/self/exe"))
    }
}

impl Reader {
    /// Another program, such as the server's, for those who test it.
    pub fn at(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// What the process says of the file, in JSON.
    ///
    /// # Errors
    /// [`ModelError::Script`]: libtorch's words, or which limit the file came upon.
    pub(super) fn read(&self, file: File) -> Result<Vec<u8>, ModelError> {
        let failed = |error: std::io::Error| {
            ModelError::Script(format!("the process that reads it cannot be started: {error}"))
        };
        let mut child = Command::new(&self.program)
            .arg(super::reader::ARGUMENT)
            .env_clear()
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut answer = Vec::new();
        let mut end = child
            .stdout
            .take()
            .map_or(Ok(0), |pipe| pipe.take(limits::SCRIPT_BYTES + 1).read_to_end(&mut answer));
        // Whoever says too much is not waited for.
        if answer.len() as u64 > limits::SCRIPT_BYTES {
            end = child.kill().map(|()| 0);
        }
        let status = child.wait().map_err(failed)?;
        end.map_err(failed)?;
        match answer.split_first() {
            Some((&ANSWER, json)) if status.success() => Ok(json.to_vec()),
            Some((&REFUSAL, words)) => Err(ModelError::Script(
                String::from_utf8_lossy(words).escape_debug().to_string().replace("\\n", " "),
            )),
            _ => Err(ModelError::Script(ended(status))),
        }
    }
}

/// Why a process has said nothing.
fn ended(status: std::process::ExitStatus) -> String {
    const SIGALRM: i32 = 14;
    const SIGXCPU: i32 = 24;
    const SIGKILL: i32 = 9;
    match status.signal() {
        Some(SIGALRM | SIGXCPU | SIGKILL) => format!(
            "reading it took more than {} s or more memory than its tensors and {} MiB; a file that does so runs a program of its own while it is read",
            limits::SCRIPT_SECONDS,
            limits::SCRIPT_MEMORY >> 20
        ),
        _ => format!("the process that read it ended with {status}"),
    }
}
