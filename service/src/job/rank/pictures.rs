//! Pictures of hits: what the network saw, what the unit saw of it, and where the unit was active. It knows no order and no statistics.

use super::answer::Found;
use super::prepare::RankTask;
use super::{Hit, HitPictures};
use crate::data::pictures::Pixels;
use crate::job::store::JobStore;
use crate::job::{Artifact, ArtifactInfo, Failure};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use ulid::Ulid;
use unitscope_engine::rank::decode::{self, Preprocessing, View};
use unitscope_engine::rank::map::{Map, Mapper};

/// Where a hit stands: unit, group, place.
type Place = (usize, usize, usize);

/// Makes the pictures that the order asks for. An image whose file has gone meanwhile gets none.
pub(super) fn add(
    task: &RankTask,
    job: Ulid,
    store: &dyn JobStore,
    found: &mut [Found],
) -> Result<(), Failure> {
    let wanted = task.order.pictures;
    if !wanted.any() {
        return Ok(());
    }
    let mut places: BTreeMap<u32, Vec<(Place, &Hit)>> = BTreeMap::new();
    for (unit, found) in found.iter().enumerate() {
        for (group, hits) in found.groups.iter().enumerate() {
            for (nth, hit) in hits.iter().enumerate() {
                places.entry(hit.entry).or_default().push(((unit, group, nth), hit));
            }
        }
    }
    let places: Vec<(u32, Vec<(Place, &Hit)>)> = places.into_iter().collect();
    let maker = Maker::new(task, job, store, wanted)?;
    let made: Mutex<Vec<(Place, Made)>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Failure> {
        while let Some((entry, hits)) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let more = maker.make(*entry, hits)?;
            made.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
        }
        Ok(())
    };
    // Heat maps go through the network, which has threads of its own.
    let threads = if wanted.heat_maps { 1 } else { task.threads.min(places.len()).max(1) };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let others = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        others.fold(mine, Result::and)
    })?;
    for ((unit, group, nth), made) in made.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let hit = &mut found[unit].groups[group][nth];
        (hit.thumbnail, hit.crop, hit.heat_map) = (made.thumbnail, made.crop, made.heat_map);
    }
    Ok(())
}

/// The pictures of one hit.
#[derive(Default)]
struct Made {
    thumbnail: Option<ArtifactInfo>,
    crop: Option<ArtifactInfo>,
    heat_map: Option<ArtifactInfo>,
}

struct Maker<'a> {
    task: &'a RankTask,
    job: Ulid,
    store: &'a dyn JobStore,
    wanted: HitPictures,
    preprocessing: Preprocessing,
    mapper: Option<Mapper>,
}

impl<'a> Maker<'a> {
    fn new(
        task: &'a RankTask,
        job: Ulid,
        store: &'a dyn JobStore,
        wanted: HitPictures,
    ) -> Result<Self, Failure> {
        let preprocessing = Preprocessing::of(&task.model.manifest().input).map_err(Failure::Engine)?;
        let layers: Vec<String> = task.order.units.iter().map(|unit| unit.layer.clone()).collect();
        let mapper = wanted.heat_maps.then(|| Mapper::new(&task.model, &layers, task.device)).transpose();
        let mapper = mapper.map_err(|error| Failure::Engine(error.to_string()))?;
        Ok(Self { task, job, store, wanted, preprocessing, mapper })
    }

    /// The pictures of all hits of one image.
    fn make(&self, entry: u32, hits: &[(Place, &Hit)]) -> Result<Vec<(Place, Made)>, Failure> {
        let dataset = &self.task.roll.dataset;
        let view = match dataset.read(entry as usize) {
            Ok(file) => decode::view(&file, &self.preprocessing).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let view = match view {
            Ok(view) => view,
            Err(reason) => {
                let path = &dataset.entries()[entry as usize].path;
                tracing::warn!(path, "no pictures of an image: {reason}");
                return Ok(Vec::new());
            }
        };
        let pixels = Pixels::of_view(&view);
        let side = self.wanted.side_px;
        let name = |hit: &Hit, kind: &str| format!("{}.{kind}.png", hit.image);
        let first = hits.first().map(|(_, hit)| *hit);
        let thumbnail = first.filter(|_| self.wanted.thumbnails);
        let thumbnail = thumbnail.map(|hit| self.keep(name(hit, "thumbnail"), &pixels.shrunk(side)));
        let mut made = Vec::with_capacity(hits.len());
        let mut crops: BTreeMap<[u32; 4], ArtifactInfo> = BTreeMap::new();
        for &(place, hit) in hits {
            let crop = self.wanted.crops.then(|| {
                let [top, left, bottom, right] = hit.window;
                let file = name(hit, &format!("crop-{top}-{left}-{bottom}-{right}"));
                crops.entry(hit.window).or_insert_with(|| self.keep(file, &pixels.crop(hit.window))).clone()
            });
            let heat_map = match &self.mapper {
                Some(mapper) => self.heat_map(mapper, &view, &pixels, place.0)?,
                None => None,
            };
            let heat_map = heat_map.map(|map| self.keep(name(hit, &format!("heat-map-{}", place.0)), &map));
            made.push((place, Made { thumbnail: thumbnail.clone(), crop, heat_map }));
        }
        Ok(made)
    }

    fn heat_map(
        &self,
        mapper: &Mapper,
        view: &View,
        pixels: &Pixels,
        unit: usize,
    ) -> Result<Option<Pixels>, Failure> {
        let lookup = &self.task.lookups[unit];
        let column = &self.task.columns[lookup.column];
        let weights = match &column.reading.direction {
            Some(weights) => (0..).zip(weights.iter().copied()).collect(),
            None => lookup.units.clone(),
        };
        let map = mapper.map(view, unit, &weights).map_err(|error| Failure::Engine(error.to_string()))?;
        let Some(Map { rows, columns, values }) = map else { return Ok(None) };
        Ok((rows * columns > 1).then(|| pixels.shrunk(self.wanted.side_px).heated(rows, columns, &values)))
    }

    fn keep(&self, file: String, pixels: &Pixels) -> ArtifactInfo {
        Artifact::new(file, "image/png", pixels.size(), pixels.png()).keep(self.store, self.job)
    }
}
