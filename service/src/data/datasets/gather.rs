//! Makes a listing: which files of a folder, a manifest or shards are a dataset's images. It decodes nothing.

use super::catalog::{Catalog, Known, key};
use super::fresh::Watch;
use super::limits::Limits;
use super::listing::{Builder, Found, Item, ListError, Listing, Stamp, Whence, class_of};
use super::location::{Kind, Location, Place, is_image};
use super::manifest;
use super::read_error::ReadError;
use super::shards::Scan;
use super::store::Store;

/// Lists what is at `location`.
///
/// # Errors
/// A [`ListError`].
pub(super) fn gather(
    store: &Store,
    location: &Location,
    catalog: &Catalog,
    limits: &Limits,
) -> Result<(Listing, Watch), ListError> {
    let mut gather = Gather { store, catalog, limits, watch: store.watch(), all: Builder::new(limits) };
    let (kind, shards) = match (location.kind, &location.file) {
        (Kind::Manifest, Some(file)) => {
            gather.manifest(location, file)?;
            (Kind::Manifest, Vec::new())
        }
        (Kind::Shards, Some(file)) => {
            let stamp = store.stamp(file, &mut gather.watch).map_err(unreadable)?;
            let shards = vec![Found { path: file.clone(), stamp }];
            gather.shards(&shards, false)?;
            (Kind::Shards, shards)
        }
        _ => gather.folder()?,
    };
    Ok((gather.all.finish(kind, shards), gather.watch))
}

struct Gather<'a> {
    store: &'a Store,
    catalog: &'a Catalog,
    limits: &'a Limits,
    watch: Watch,
    all: Builder<'a>,
}

impl Gather<'_> {
    /// A folder of tar files only is one of shards.
    fn folder(&mut self) -> Result<(Kind, Vec<Found>), ListError> {
        let walked = self.store.walk(self.limits, &mut self.watch)?;
        self.all.skipped = walked.skipped;
        self.all.others = walked.others;
        let (images, mut tars): (Vec<Found>, Vec<Found>) =
            walked.files.into_iter().partition(|file| is_image(&file.path));
        if images.is_empty() && !tars.is_empty() {
            tars.sort_by(|a, b| a.path.cmp(&b.path));
            self.shards(&tars, true)?;
            return Ok((Kind::Shards, tars));
        }
        for tar in tars {
            self.all.skip(tar.path, "it is a tar file among images; give shards a folder of their own");
        }
        for Found { path, stamp } in images {
            let class = class_of(&path).map(str::to_owned);
            self.all.add(path, class.as_deref(), Item { stamp, whence: Whence::File })?;
        }
        Ok((Kind::Folder, Vec::new()))
    }

    fn manifest(&mut self, location: &Location, file: &str) -> Result<(), ListError> {
        let stamp = self.store.stamp(file, &mut self.watch).map_err(unreadable)?;
        let (bytes, most) = (stamp.size_bytes, self.limits.manifest_bytes);
        if bytes > most {
            let rule = format!("manifest `{file}` has {bytes} bytes, but one is read up to {most}; split it");
            return Err(ListError::TooLarge(rule));
        }
        let text = self.store.read(file, stamp, None).map_err(unreadable)?;
        let (lines, skipped) = manifest::parse(file, &text, &self.roots(location), self.limits)?;
        drop(text);
        self.all.skipped = skipped;
        let stamps = self.store.stamps(lines.iter().map(|line| line.path.as_str()), self.limits)?;
        for line in lines {
            match stamps.get(self.store, &line.path) {
                Ok(stamp) => {
                    self.all.add(line.path, line.class.as_deref(), Item { stamp, whence: Whence::File })?;
                }
                Err(error) => self.all.skip(line.path, error.reason()),
            }
        }
        Ok(())
    }

    /// What absolute paths of a manifest may begin with: the root as it is and as it was given.
    fn roots(&self, location: &Location) -> Vec<String> {
        match (&location.place, self.store) {
            (Place::Local(given), Store::Local(root)) => {
                let both = [root.path.as_path(), given];
                both.iter()
                    .filter_map(|path| path.to_str().map(|path| path.trim_end_matches('/').to_owned()))
                    .collect()
            }
            (Place::S3 { bucket, prefix }, _) if prefix.is_empty() => vec![format!("s3://{bucket}")],
            (Place::S3 { bucket, prefix }, _) => vec![format!("s3://{bucket}/{prefix}")],
            (Place::Local(_), Store::Remote(_)) => Vec::new(),
        }
    }

    /// With `named` the members' paths begin with their shard's.
    fn shards(&mut self, shards: &[Found], named: bool) -> Result<(), ListError> {
        let keys: Vec<_> = shards.iter().map(|shard| key(&shard.path, shard.stamp)).collect();
        for (number, shard) in (0..).zip(shards) {
            let Stamp { size_bytes, version } = shard.stamp;
            if let Store::Local(_) = self.store {
                self.watch.note(&shard.path, version, size_bytes);
            }
            let scan = match self.scan(shard, &keys[number as usize]) {
                Ok(scan) => scan,
                // A store that fails now would make a part look like the whole.
                Err(error @ ReadError::Failed { .. }) if matches!(self.store, Store::Remote(_)) => {
                    return Err(unreadable(error));
                }
                Err(error) => {
                    self.all.skip(shard.path.as_str(), error.reason());
                    continue;
                }
            };
            let prefix = if named { format!("{}/", shard.path) } else { String::new() };
            self.members(scan, number, shard, &prefix)?;
        }
        self.catalog.sweep_shards(&keys);
        Ok(())
    }

    fn scan(&self, shard: &Found, key: &[u8; 16]) -> Result<Scan, ReadError> {
        if let Some(index) = self.catalog.shard(key) {
            return Ok(Scan { index, rows: Vec::new() });
        }
        let scan = self.store.scan(shard, self.limits)?;
        self.catalog.keep_shard(key, &scan.index);
        Ok(scan)
    }

    fn members(&mut self, scan: Scan, shard: u32, file: &Found, prefix: &str) -> Result<(), ListError> {
        self.all.skipped.extend(self.limits, &file.path, scan.index.skipped);
        self.all.others += scan.index.others;
        let mut rows = scan.rows.into_iter();
        for member in scan.index.members {
            // Members have no time of their own: the shard's stamp and the place in it stand for it.
            let place =
                blake3::hash(&[file.stamp.version.to_le_bytes(), member.offset.to_le_bytes()].concat());
            let mut version = [0; 8];
            version.copy_from_slice(&place.as_bytes()[..8]);
            let stamp = Stamp { size_bytes: member.size_bytes, version: u64::from_le_bytes(version) };
            let path = format!("{prefix}{}", member.path);
            if let Some(row) = rows.next() {
                self.catalog.learn(key(&path, stamp), Known::Row(row));
            }
            let item = Item { stamp, whence: Whence::Member { shard, offset: member.offset } };
            self.all.add(path, member.class.as_deref(), item)?;
        }
        Ok(())
    }
}

fn unreadable(error: ReadError) -> ListError {
    ListError::Unreadable(match error {
        // It may never have been.
        ReadError::Vanished { path } => format!("`{path}` is not there; is the location right?"),
        error => error.to_string(),
    })
}
