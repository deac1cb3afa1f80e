//! Disks that can be filled and stalled: small file systems of a test's own. They need the right
//! to mount; without it the tests that want one say so and pass as skipped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A mounted file system, unmounted at the end.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    thaw: Option<Child>,
}

impl Disk {
    /// One in memory of `mib` MiB, for filling up; `None` when it cannot be mounted.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn small(mib: u32) -> Result<Option<Self>> {
        let disk = Self { folder: TempDir::with_prefix("ketch-disk-")?, thaw: None };
        std::fs::create_dir(disk.path())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(disk.path());
        Ok(if disk.works(mount) { Some(disk) } else { None })
    }

    /// One in a file, for stalling; `None` when it cannot be made or mounted.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn stalling(mib: u32) -> Result<Option<Self>> {
        let disk = Self { folder: TempDir::with_prefix("ketch-disk-")?, thaw: None };
        std::fs::create_dir(disk.path())?;
        let image = disk.folder.path().join("image");
        std::fs::File::create(&image)?.set_len(u64::from(mib) << 20)?;
        let mut make = Command::new("mkfs.ext4");
        make.arg("-q").arg(&image);
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(&image).arg(disk.path());
        Ok(if disk.works(make) && disk.works(mount) { Some(disk) } else { None })
    }

    fn works(&self, mut command: Command) -> bool {
        let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let works = done.as_ref().is_ok_and(std::process::ExitStatus::success);
        if !works {
            eprintln!("SKIPPED: needs a disk of its own: {command:?}: {done:?}");
        }
        works
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Fills it but for `left` bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn fill(&self, left: u64) -> Result<()> {
        let room = rustix::fs::statvfs(self.path())?;
        let free = (room.f_bavail * room.f_frsize).saturating_sub(left);
        let ballast = std::fs::File::create(self.ballast())?;
        rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, free.max(1))?;
        Ok(())
    }

    /// Takes back what `fill` took.
    ///
    /// # Errors
    /// When there was no such thing.
    pub fn empty(&self) -> Result<()> {
        std::fs::remove_file(self.ballast()).context("the ballast")
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Stops all writes to it now, for so long. Another process ends that, whatever happens here.
    ///
    /// # Errors
    /// When it cannot be frozen.
    pub fn stall(&mut self, time: Duration) -> Result<()> {
        let path = self.path();
        let seconds = time.as_secs_f32();
        let script = format!("fsfreeze -f \"$0\" && echo && sleep {seconds}; fsfreeze -u \"$0\"");
        let mut freezer = Command::new("sh");
        freezer.args(["-c", &script]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut freezer = freezer.spawn()?;
        let mut frozen = [0];
        let said = freezer.stdout.as_mut().context("its output")?;
        let is_frozen = std::io::Read::read(said, &mut frozen)? == 1;
        self.thaw = Some(freezer);
        ensure!(is_frozen, "{} cannot be frozen", path.display());
        Ok(())
    }

    /// Waits until a stall is over.
    pub fn wait_thawed(&mut self) {
        if let Some(mut freezer) = self.thaw.take() {
            let _ = freezer.wait();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.wait_thawed();
        unmount(&self.path());
    }
}

/// Lazily: a member killed a moment ago may still be on its way out.
fn unmount(path: &Path) {
    let mut command = Command::new("umount");
    let _ = command.arg("-l").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
