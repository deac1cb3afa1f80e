//! Flipped bytes and cut files: an error with file and offset, never a panic, never other data.

use super::*;
use crate::Error;

type Rows = Vec<(RevisionKey, Bytes)>;

fn filled() -> (Arc<MemoryDisk>, Rows) {
    let disk = MemoryDisk::new();
    let (backend, mut drain) = opened(&disk);
    for index in 1..=400 {
        backend.append(put(index, &vec![index as u8; 40 + (index as usize * 37) % 900]));
        if index % 50 == 0 {
            drain_all(&mut drain);
        }
    }
    let rows = read(&backend).expect("sound");
    drop((backend, drain));
    (disk, rows)
}

/// What a start does: every row for the index, every small bucket for the other machines.
fn read(backend: &Backend) -> Result<Rows, Error> {
    let view = backend.view();
    let rows = view.rows(Revision::default(), END).collect::<Result<_, _>>()?;
    for bucket in crate::schema::small_buckets() {
        for item in view.iter(bucket) {
            item?;
        }
    }
    Ok(rows)
}

fn start(disk: &Arc<MemoryDisk>) -> Result<Rows, OpenError> {
    let (backend, _drain) = open(disk)?;
    Ok(read(&backend)?)
}

#[test]
fn a_flipped_byte_is_never_served() {
    let (disk, rows) = filled();
    let length = disk.content(&path()).len() as u64;
    let mut refused = 0;
    for at in (0..length).step_by(1021) {
        let damaged = disk.cut_power(|| true);
        damaged.flip(&path(), at);
        match start(&damaged) {
            // The byte was in nobody's page.
            Ok(found) => assert_eq!(found, rows, "byte {at}"),
            Err(OpenError::Failed(error @ Error::Corrupt { offset: Some(offset), .. })) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.starts_with("/member/snap/ketch.redb: database is corrupt"), "{text}");
                let sums = at % (1025 * 4096) < 8192;
                assert!(sums || (offset..offset + 4096).contains(&at), "{at}: {text}");
            }
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(refused > 30, "{refused} of {length}");
}

#[test]
fn a_flipped_byte_of_a_row_names_its_page() {
    let (disk, rows) = filled();
    let content = disk.content(&path());
    for (_, row) in rows.iter().step_by(23).filter(|(_, row)| row.len() > 300) {
        let places: Vec<_> =
            content.windows(row.len()).enumerate().filter(|(_, w)| w == row).collect();
        let damaged = disk.cut_power(|| true);
        for (at, _) in &places {
            damaged.flip(&path(), *at as u64 + 150);
        }
        let error = start(&damaged).expect_err("the row is damaged").to_string();
        let pages: Vec<_> = places.iter().map(|(at, _)| (at + 150) / 4096 * 4096).collect();
        let named = pages.iter().any(|page| error.ends_with(&format!(" at byte {page}")));
        assert!(named, "{error}: not one of {pages:?}");
    }
}

#[test]
fn a_cut_file_is_refused() {
    let (disk, _) = filled();
    let length = disk.content(&path()).len();
    for cut in [0, 1, 4096, 8192, 8192 + 100, 12_288, length / 2, length / 8192 * 4096, length - 1]
    {
        let damaged = disk.cut_power(|| true);
        damaged.cut_file(&path(), cut);
        let error = start(&damaged).expect_err("a part is missing");
        assert!(matches!(error, OpenError::Failed(Error::Corrupt { .. })), "{cut}: {error:?}");
    }
}

#[test]
fn damage_found_while_running_stays_the_answer() {
    let (disk, rows) = filled();
    let content = disk.content(&path());
    let row = &rows[10].1;
    // Without a cache, which may hold the page from before.
    let config = Config { cache_bytes: 0 };
    let (backend, mut drain) = Backend::open(disk.clone(), &path(), config).expect("sound");
    for (at, _) in content.windows(row.len()).enumerate().filter(|(_, w)| w == row) {
        disk.flip(&path(), at as u64);
    }
    let first = backend.row(rows[10].0).expect_err("damaged").to_string();
    assert_eq!(backend.row(rows[399].0).map_err(|e| e.to_string()).err(), Some(first.clone()));
    backend.append(put(500, b"later"));
    assert_eq!(drain.step().map_err(|e| e.to_string()).err(), Some(first));
}
