//! The binary as a server of a test.

#![allow(dead_code, unreachable_pub, missing_debug_implementations)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// A running server; ends with the test.
pub struct Server {
    pub process: Child,
    pub channel: Channel,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Over an empty store.
    pub async fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("store")).unwrap();
        let (store, index) = (at("store"), at("index"));
        Self::run(folder, &store, &index, options).await
    }

    pub async fn over(store: &Path, index: &Path, options: &[&str]) -> Self {
        Self::run(tempfile::tempdir().unwrap(), store, index, options).await
    }

    async fn run(folder: TempDir, store: &Path, index: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cubeflight"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--store", &path(store)])
            .args(["--index", &path(index)])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on grpc://").unwrap().to_owned();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self { process, channel, _folder: folder }
    }

    pub fn terminate(&self) {
        let done = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(done.unwrap().success());
    }
}

pub fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
