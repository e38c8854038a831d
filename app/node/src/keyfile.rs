//! Secret keys on disk: one line of hexadecimal, readable by the owner only.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;

use crate::hex;
use crate::problem::Problem;

/// Reads 32 secret bytes.
///
/// # Errors
/// Refuses a file that others may read or write, and one that holds no key.
pub fn read(path: &Path) -> Result<[u8; 32], Problem> {
    let fail = |message: String, hint: &str| Problem::of_file(path, message, hint);
    let file = std::fs::File::open(path).map_err(|error| {
        fail(
            format!("the key cannot be read: {error}"),
            "`gridloom node init` writes key files; keep them with the node they belong to",
        )
    })?;
    check_mode(path, &file)?;
    let mut text = String::new();
    file.take(256)
        .read_to_string(&mut text)
        .map_err(|error| fail(format!("the key cannot be read: {error}"), ""))?;
    hex::decode_array(text.trim()).ok_or_else(|| {
        fail(
            "this is no key".into(),
            "a key file holds 64 hexadecimal digits and nothing else",
        )
    })
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &std::fs::File) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file
        .metadata()
        .map_err(|error| Problem::of_file(path, error.to_string(), ""))?
        .permissions()
        .mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Problem::of_file(
        path,
        format!("others may use this key (mode {:04o})", mode & 0o7777),
        format!("chmod 600 {}", path.display()),
    ))
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _file: &std::fs::File) -> Result<(), Problem> {
    Ok(())
}

/// Writes 32 secret bytes into a new file of mode 0600.
///
/// # Errors
/// Refuses to replace a file.
pub fn write_new(path: &Path, secret: &[u8; 32]) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(format!("{}\n", hex::encode(secret)).as_bytes())?;
            file.sync_all()
        })
        .map_err(|error| {
            Problem::of_file(
                path,
                format!("the key cannot be written: {error}"),
                "a key is never replaced: choose an empty folder",
            )
        })
}

/// 32 fresh secret bytes from the operating system.
#[must_use]
pub fn fresh() -> [u8; 32] {
    let pair = libp2p::identity::ed25519::Keypair::generate();
    let mut secret = [0; 32];
    secret.copy_from_slice(pair.secret().as_ref());
    secret
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owners_key_is_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("k.key");
        let secret = fresh();
        write_new(&path, &secret).expect("writes");
        assert_eq!(read(&path), Ok(secret));
        let again = write_new(&path, &fresh()).expect_err("keys are not replaced");
        assert!(again.to_string().contains("never replaced"), "{again}");
        for mode in [0o640, 0o604, 0o620] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("sets");
            let refused = read(&path).expect_err("others may read it");
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("sets");
        std::fs::write(&path, "12").expect("writes");
        assert!(
            read(&path)
                .expect_err("too short")
                .to_string()
                .contains("no key")
        );
    }
}
