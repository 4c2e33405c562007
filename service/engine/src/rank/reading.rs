//! What one number for a unit and an image means: which layer, which units, and how positions become one number; knows no tensor.

use crate::model::{Axis, LayerInfo, TokenGrid};

/// How the activations of one unit at all positions of a layer become one number. Layers without positions have one anyway. Tokens that stand for no place of
/// the image (class token, registers) are no positions where the graph tells them from patches; each of them can be read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reducer {
    /// The largest, and where it is.
    Max,
    /// The mean.
    Mean,
    /// The one at row `rows / 2`, column `columns / 2`, as lucid's `neuron` has it.
    Centre,
    /// The one at a given position.
    At {
        /// From 0, below the layer's rows.
        row: u32,
        /// From 0, below the layer's columns.
        column: u32,
    },
    /// The one of a given token, class token and registers counted, from 0.
    Token(u32),
    /// The one of the class token: the first of those before the patches.
    ClassToken,
    /// The largest absolute value, and where it is.
    AbsMax,
    /// The root of the sum of squares.
    L2,
}

/// What is read from one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// As [`crate::model::Model::layer`] takes it, `path:pre` included.
    pub layer: String,
    /// How positions become one number.
    pub reducer: Reducer,
    /// None: each channel is a unit. Else there is one unit, the sum of the channels with these weights at each position,
    /// one weight for each channel.
    pub direction: Option<Vec<f32>>,
}

/// The axes of one image's activations of a layer: channels, and positions in rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// At least 1.
    pub channels: u32,
    /// Tokens that stand for no place, before the positions.
    pub prefix: u32,
    /// Rows of positions, or of patches; 1 for layers without positions, and for tokens where the graph does not tell.
    pub rows: u32,
    /// Columns of positions, or of patches; 1 for layers without positions; the number of tokens where the graph does not tell.
    pub columns: u32,
    /// What the positions are.
    pub space: Space,
    /// Where the channel axis is, the batch axis being 0.
    pub channel_axis: usize,
}

/// What the positions of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Rows and columns of the image.
    Map,
    /// Patches of the image, in a sequence.
    Patches,
    /// Tokens, of which the graph does not tell where they are.
    Tokens,
    /// Anything else, such as queries and keys; or nothing.
    Other,
}

/// Units of one layer: wider layers than a million have no network.
const UNITS: u64 = 1 << 20;

impl Extent {
    /// Of a layer, with `shape` without the batch axis, and the grid of its tokens at that shape.
    ///
    /// # Errors
    /// The shape and the rule, where a layer has no channel axis or is too large.
    pub fn of(layer: &LayerInfo, shape: &[u64], tokens: Option<TokenGrid>) -> Result<Self, String> {
        let wrong = |rule: &str| format!("layer `{}` of shape {shape:?} {rule}", layer.path);
        let channel_axis = layer
            .axes
            .iter()
            .position(|axis| *axis == Axis::Channel)
            .filter(|&axis| axis >= 1 && axis <= shape.len())
            .ok_or_else(|| wrong("has no axis of channels; name another layer"))?;
        let rest: Vec<u64> = shape
            .iter()
            .enumerate()
            .filter(|(axis, _)| axis + 1 != channel_axis)
            .map(|(_, &size)| size)
            .collect();
        let product = |sizes: &[u64]| sizes.iter().fold(1_u64, |product, &size| product.saturating_mul(size));
        let has = |axis: Axis| layer.axes.contains(&axis);
        let (prefix, rows, columns, space) = match tokens.filter(|grid| rest == [grid.tokens()]) {
            Some(grid) => (grid.prefix, grid.rows, grid.columns, Space::Patches),
            None => {
                let space = match rest[..] {
                    [_] if has(Axis::Token) => Space::Tokens,
                    _ if has(Axis::Height) && has(Axis::Width) => Space::Map,
                    _ => Space::Other,
                };
                let (columns, rows) = rest.split_last().map_or((1, 1), |(last, rows)| (*last, product(rows)));
                (0, rows, columns, space)
            }
        };
        let channels = shape[channel_axis - 1];
        let positions = rows.saturating_mul(columns);
        let elements = prefix.saturating_add(positions);
        if channels == 0 || positions == 0 || channels > UNITS || elements > u64::from(u32::MAX) {
            return Err(wrong("cannot be ranked: it needs 1 … 2^20 channels and fewer than 2^32 positions"));
        }
        let narrow = |size: u64| u32::try_from(size).expect("positions are fewer than 2^32");
        let [channels, prefix, rows, columns] = [channels, prefix, rows, columns].map(narrow);
        Ok(Self { channels, prefix, rows, columns, space, channel_axis })
    }

    /// How many positions there are.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.rows as usize * self.columns as usize
    }

    /// How many numbers a channel has: positions, and the tokens before them.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.prefix as usize + self.positions()
    }

    /// Whether the layer is a sequence of tokens.
    #[must_use]
    pub fn is_sequence(&self) -> bool {
        matches!(self.space, Space::Patches | Space::Tokens)
    }

    /// Where in the sequence the token at this row and column is.
    #[must_use]
    pub fn token(&self, row: u32, column: u32) -> u32 {
        self.prefix + row * self.columns + column
    }

    /// Row and column of a token; none where it stands for no place.
    #[must_use]
    pub fn place_of_token(&self, token: u32) -> Option<(u32, u32)> {
        token.checked_sub(self.prefix).map(|position| self.place(position))
    }

    /// A patch's own pixels in an image of `height` × `width`: top, left, bottom, right, the latter two exclusive. After attention every patch sees all of the image.
    #[must_use]
    pub fn patch(&self, (row, column): (u32, u32), [height, width]: [u32; 2]) -> [u32; 4] {
        let ends = |at: u32, count: u32, size: u32| {
            let pixel = |at: u32| u64::from(at) * u64::from(size) / u64::from(count.max(1));
            let start = pixel(at).min(u64::from(size.saturating_sub(1)));
            // Both are at most `size`.
            (start as u32, pixel(at + 1).max(start + 1) as u32)
        };
        let ((top, bottom), (left, right)) =
            (ends(row, self.rows, height), ends(column, self.columns, width));
        [top, left, bottom, right]
    }

    /// Row and column of a position.
    #[must_use]
    pub fn place(&self, position: u32) -> (u32, u32) {
        (position / self.columns, position % self.columns)
    }
}

impl Reading {
    /// Checks that the layer has the position and as many channels as the direction has weights.
    ///
    /// # Errors
    /// The value, the rule and the way out.
    pub fn check(&self, extent: &Extent) -> Result<(), String> {
        if let Reducer::At { row, column } = self.reducer
            && (row >= extent.rows || column >= extent.columns)
        {
            let (layer, rows, columns) = (&self.layer, extent.rows, extent.columns);
            return Err(match extent.space {
                Space::Patches => format!(
                    "position {row},{column} lies outside of layer `{layer}`, which has {rows} × {columns} patches behind {} other \
                     tokens; count from 0, or name a token by its place in the sequence alone",
                    extent.prefix
                ),
                Space::Tokens => format!(
                    "position {row},{column} lies outside of layer `{layer}`, a sequence of {columns} tokens whose rows and columns the \
                     graph does not tell; name a token by its place, from 0"
                ),
                Space::Map | Space::Other => format!(
                    "position {row},{column} lies outside of layer `{layer}`, which has {rows} × {columns} positions; count from 0"
                ),
            });
        }
        self.check_token(extent)?;
        match &self.direction {
            Some(weights) if weights.len() != extent.channels as usize => Err(format!(
                "the direction has {} weights, but layer `{}` has {} channels; give one for each",
                weights.len(),
                self.layer,
                extent.channels
            )),
            Some(weights) if weights.iter().any(|weight| !weight.is_finite()) => {
                Err("a direction's weights must be finite numbers".to_owned())
            }
            Some(weights) if weights.iter().all(|weight| *weight == 0.0) => {
                Err("all weights of the direction are 0, so that every image scores 0; give one that is not"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_token(&self, extent: &Extent) -> Result<(), String> {
        let layer = &self.layer;
        match self.reducer {
            Reducer::Token(_) | Reducer::ClassToken if !extent.is_sequence() => Err(format!(
                "layer `{layer}` is no sequence of tokens; it has {} × {} positions: name one by row and column",
                extent.rows, extent.columns
            )),
            Reducer::Token(token) if token as usize >= extent.elements() => Err(format!(
                "token {token} lies outside of layer `{layer}`, which has {} tokens; count from 0",
                extent.elements()
            )),
            Reducer::ClassToken if extent.prefix == 0 => Err(format!(
                "layer `{layer}` shows no class token before its {} tokens; name a token by its place, from 0",
                extent.elements()
            )),
            _ => Ok(()),
        }
    }

    /// The only token or position that is read, by its place in the sequence, or row by row.
    #[must_use]
    pub fn single(&self, extent: &Extent) -> Option<u32> {
        match self.reducer {
            Reducer::Centre => Some(extent.token(extent.rows / 2, extent.columns / 2)),
            Reducer::At { row, column } => Some(extent.token(row, column)),
            Reducer::Token(token) => Some(token),
            Reducer::ClassToken => Some(0),
            Reducer::Max | Reducer::Mean | Reducer::AbsMax | Reducer::L2 => None,
        }
    }

    /// How many units it gives numbers for.
    #[must_use]
    pub fn units(&self, extent: &Extent) -> u32 {
        if self.direction.is_some() { 1 } else { extent.channels }
    }

    /// Whether it also says where in the layer.
    #[must_use]
    pub fn has_positions(&self, extent: &Extent) -> bool {
        matches!(self.reducer, Reducer::Max | Reducer::AbsMax) && extent.positions() > 1
    }

    /// A name for what the numbers mean, equal exactly where they do: where there is one position, the reducers that give its value have one
    /// name, and those that give its size another.
    #[must_use]
    pub fn name(&self, extent: &Extent) -> String {
        let alone = extent.elements() == 1;
        let reducer = match (self.reducer, self.single(extent)) {
            (Reducer::AbsMax | Reducer::L2, _) if alone => "absolute value".to_owned(),
            _ if alone => "value".to_owned(),
            (_, Some(token)) if extent.prefix > 0 => format!("token {token}"),
            (_, Some(position)) => {
                let (row, column) = extent.place(position);
                format!("at {row},{column}")
            }
            (Reducer::Mean, None) => "mean".to_owned(),
            (Reducer::AbsMax, None) => "absmax".to_owned(),
            (Reducer::L2, None) => "l2".to_owned(),
            (_, None) => "max".to_owned(),
        };
        // A single token is counted from the first of all.
        let reducer = match (extent.prefix, self.single(extent)) {
            (1.., None) => format!("{reducer} of patches"),
            _ => reducer,
        };
        match &self.direction {
            None => reducer,
            Some(weights) => {
                let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
                let digest = blake3::hash(&bytes).to_hex();
                format!("{reducer} of direction {}", &digest[..32])
            }
        }
    }

    /// The reading of channels whose numbers, summed with the direction's weights, are this one's: the sum goes through means and single
    /// positions, but not through maxima.
    #[must_use]
    pub fn linear(&self, extent: &Extent) -> Option<Reading> {
        self.direction.as_ref()?;
        let through = match self.reducer {
            Reducer::Mean | Reducer::Centre | Reducer::At { .. } => true,
            Reducer::Token(_) | Reducer::ClassToken => true,
            Reducer::Max => extent.positions() == 1,
            Reducer::AbsMax | Reducer::L2 => false,
        };
        through.then(|| Reading { direction: None, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(axes: &[Axis]) -> LayerInfo {
        LayerInfo {
            path: "l".to_owned(),
            kind: String::new(),
            operator: String::new(),
            shape: Vec::new(),
            axes: axes.to_vec(),
            units: 0,
            pre_activation: false,
            tokens: None,
            sight: crate::model::Sight::Whole,
        }
    }

    #[test]
    fn extents_follow_the_axes() {
        use Axis::{Batch, Channel, Height, Token, Width};
        let check = |axes: &[Axis], shape: &[u64], expected: Option<(u32, u32, u32, usize)>| {
            let found = Extent::of(&layer(axes), shape, None).ok();
            let found = found.map(|it| (it.channels, it.rows, it.columns, it.channel_axis));
            assert_eq!(found, expected, "{axes:?} {shape:?}");
        };
        check(&[Batch, Channel, Height, Width], &[8, 5, 7], Some((8, 5, 7, 1)));
        check(&[Batch, Height, Width, Channel], &[5, 7, 8], Some((8, 5, 7, 3)));
        check(&[Batch, Token, Channel], &[197, 64], Some((64, 1, 197, 2)));
        check(&[Batch, Channel], &[1000], Some((1000, 1, 1, 1)));
        check(&[Batch], &[], None);
        check(&[Batch, Channel, Height, Width], &[8, 0, 7], None);
        check(&[Batch, Channel, Height, Width], &[1 << 21, 1, 1], None);
        check(&[Batch, Channel, Height, Width], &[1, 1 << 20, 1 << 20], None);
    }

    const MAP: Extent =
        Extent { channels: 2, prefix: 0, rows: 5, columns: 7, space: Space::Map, channel_axis: 1 };
    const FLAT: Extent = Extent { rows: 1, columns: 1, space: Space::Other, ..MAP };
    /// A class token and a register before 3 × 4 patches.
    const PATCHES: Extent =
        Extent { prefix: 2, rows: 3, columns: 4, space: Space::Patches, channel_axis: 2, ..MAP };
    const TOKENS: Extent = Extent { prefix: 0, rows: 1, columns: 14, space: Space::Tokens, ..PATCHES };

    #[test]
    fn a_grid_tells_patches_from_other_tokens() {
        use Axis::{Batch, Channel, Token};
        let layer = layer(&[Batch, Token, Channel]);
        let grid = TokenGrid { prefix: 2, rows: 3, columns: 4 };
        assert_eq!(Extent::of(&layer, &[14, 2], Some(grid)), Ok(PATCHES));
        assert_eq!(Extent::of(&layer, &[14, 2], None), Ok(TOKENS));
        // A grid of another size is none of this layer.
        assert_eq!(Extent::of(&layer, &[14, 2], Some(TokenGrid { rows: 4, ..grid })), Ok(TOKENS));
        assert_eq!((PATCHES.elements(), PATCHES.positions()), (14, 12));
        assert_eq!((PATCHES.place_of_token(1), PATCHES.place_of_token(7)), (None, Some((1, 1))));
        assert_eq!(PATCHES.patch((1, 3), [30, 41]), [10, 30, 20, 41]);
        // Fewer pixels than patches: never empty, never outside.
        assert_eq!(PATCHES.patch((2, 3), [2, 2]), [1, 1, 2, 2]);
    }

    #[test]
    fn tokens_have_names_of_their_own() {
        let name = |reducer, extent| reading(reducer, None).name(extent);
        assert_eq!(name(Reducer::At { row: 1, column: 2 }, &PATCHES), "token 8");
        assert_eq!(name(Reducer::Token(8), &PATCHES), "token 8");
        assert_eq!(name(Reducer::Centre, &PATCHES), "token 8");
        assert_eq!(name(Reducer::ClassToken, &PATCHES), name(Reducer::Token(0), &PATCHES));
        assert_eq!(name(Reducer::Token(8), &TOKENS), name(Reducer::At { row: 0, column: 8 }, &TOKENS));
        for reducer in [Reducer::Max, Reducer::Mean, Reducer::AbsMax, Reducer::L2] {
            assert_ne!(name(reducer, &PATCHES), name(reducer, &TOKENS), "{reducer:?}");
        }
        // One patch beside a class token: the two are told apart.
        let one = Extent { rows: 1, columns: 1, ..PATCHES };
        assert_ne!(name(Reducer::Max, &one), name(Reducer::ClassToken, &one));
        assert!(reading(Reducer::ClassToken, Some(&[1.0, 0.0])).linear(&PATCHES).is_some());
    }

    #[test]
    fn wrong_tokens_say_what_there_is() {
        let check = |reducer, extent: &Extent, word: &str| {
            let error = reading(reducer, None).check(extent).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        check(Reducer::At { row: 3, column: 0 }, &PATCHES, "3 × 4 patches behind 2 other tokens");
        check(Reducer::At { row: 1, column: 0 }, &TOKENS, "14 tokens whose rows and columns");
        check(Reducer::Token(14), &PATCHES, "14 tokens");
        check(Reducer::Token(0), &MAP, "no sequence of tokens");
        check(Reducer::ClassToken, &TOKENS, "no class token");
        assert_eq!(reading(Reducer::Token(13), None).check(&PATCHES), Ok(()));
    }

    fn reading(reducer: Reducer, direction: Option<&[f32]>) -> Reading {
        Reading { layer: "l".to_owned(), reducer, direction: direction.map(<[f32]>::to_vec) }
    }

    #[test]
    fn equal_meanings_have_one_name() {
        let name = |reducer, extent| reading(reducer, None).name(extent);
        assert_eq!(name(Reducer::Centre, &MAP), name(Reducer::At { row: 2, column: 3 }, &MAP));
        assert_eq!(name(Reducer::Max, &FLAT), name(Reducer::Mean, &FLAT));
        let places = |reducer, extent| reading(reducer, None).has_positions(extent);
        assert!(places(Reducer::Max, &MAP) && places(Reducer::AbsMax, &MAP));
        assert!(!places(Reducer::Max, &FLAT) && !places(Reducer::Mean, &MAP));
        assert_eq!(name(Reducer::AbsMax, &FLAT), name(Reducer::L2, &FLAT));
        assert_ne!(name(Reducer::Max, &FLAT), name(Reducer::L2, &FLAT));
        assert_ne!(name(Reducer::Max, &MAP), name(Reducer::Mean, &MAP));
        let direction = |weights: &[f32]| reading(Reducer::Max, Some(weights)).name(&MAP);
        assert_ne!(direction(&[1.0, 0.0]), direction(&[0.0, 1.0]));
        assert_ne!(direction(&[1.0, 0.0]), name(Reducer::Max, &MAP));
    }

    #[test]
    fn wrong_readings_say_why() {
        let check = |reducer, direction: Option<&[f32]>, word: &str| {
            let error = reading(reducer, direction).check(&MAP).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        check(Reducer::At { row: 5, column: 0 }, None, "5 × 7 positions");
        check(Reducer::At { row: 0, column: 7 }, None, "0,7");
        check(Reducer::Max, Some(&[1.0]), "2 channels");
        check(Reducer::Max, Some(&[1.0, f32::NAN]), "finite");
        check(Reducer::Max, Some(&[0.0, 0.0]), "every image scores 0");
        assert_eq!(reading(Reducer::At { row: 4, column: 6 }, Some(&[1.0, 0.0])).check(&MAP), Ok(()));
    }

    #[test]
    fn sums_go_through_means_and_not_through_maxima() {
        let linear = |reducer, extent| reading(reducer, Some(&[1.0, 2.0])).linear(extent).is_some();
        assert!(linear(Reducer::Mean, &MAP) && linear(Reducer::Centre, &MAP) && linear(Reducer::Max, &FLAT));
        assert!(!linear(Reducer::Max, &MAP) && !linear(Reducer::L2, &MAP) && !linear(Reducer::AbsMax, &FLAT));
        assert_eq!(reading(Reducer::Mean, None).linear(&MAP), None);
    }
}
