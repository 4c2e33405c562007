//! `group`: a block of a layer, some channels at some positions.

use unitscope_sdk::{Error, Eval, Float, Grid, GridMut, Param, Params, Shape, Tap, Term, TermInfo, Value};

use crate::position::LAYER;

/// mean over a block of channels, rows and columns of A[i] for image i, each channel times its weight where weights are given: lucent's
/// and captum's `localgroup_weight`, per image.
pub struct Group {
    layer: String,
    /// Where the block starts: channel, row, column.
    start: [usize; 3],
    /// How many of each; to the end where none is given.
    given: [Option<usize>; 3],
    sizes: [usize; 3],
    weights: Vec<f64>,
}

/// The parameters of start and size of each axis, in the order channel, row, column.
const NAMES: [[&str; 2]; 3] = [["channel", "channels"], ["row", "height"], ["column", "width"]];

impl Term for Group {
    const INFO: TermInfo = TermInfo::objective(
        "group",
        "A block of a layer",
        "The mean activation of a block of a layer: `channels` channels from `channel` on, in a window of `height` × `width` positions whose first one is \
         `row`, `column`; times a weight per channel where `weights` are given. The whole layer if nothing is. Source: lucent and captum, \
         localgroup_weight.",
    )
    .params(&[
        LAYER,
        Param::int("channel", "The first channel, counted from 0.").default(Value::Int(0)).min(0.0),
        Param::int("channels", "How many channels; all from the first on if left out.").min(1.0),
        Param::int("row", "The first row, counted from 0.").default(Value::Int(0)).min(0.0),
        Param::int("height", "How many rows; all from the first on if left out.").min(1.0),
        Param::int("column", "The first column, counted from 0.").default(Value::Int(0)).min(0.0),
        Param::int("width", "How many columns; all from the first on if left out.").min(1.0),
        // Far beyond what is sensible, and small enough that products stay finite.
        Param::floats("weights", "One number per channel of the block; 1 for each if left out.").min(-1e15).max(1e15),
    ]);

    fn new(params: &Params<'_>) -> Result<Group, Error> {
        let (mut start, mut given) = ([0; 3], [None; 3]);
        for (axis, [first, size]) in NAMES.into_iter().enumerate() {
            (start[axis], given[axis]) = (params.index(first)?, params.optional_index(size)?);
        }
        let weights = params.floats("weights")?.to_vec();
        Ok(Group { layer: params.string("layer")?, start, given, sizes: [0; 3], weights })
    }

    fn taps(&self) -> Vec<Tap> {
        vec![Tap::layer(&self.layer)]
    }

    fn prepare(&mut self, shapes: &[Shape]) -> Result<(), Error> {
        let shape = &shapes[0];
        shape.check_channel("channel", self.start[0])?;
        shape.check_row("row", self.start[1])?;
        shape.check_column("column", self.start[2])?;
        for (axis, size) in [shape.channels, shape.height, shape.width].into_iter().enumerate() {
            let (start, name) = (self.start[axis], NAMES[axis][1]);
            let rest = size - start;
            self.sizes[axis] = self.given[axis].unwrap_or(rest);
            if self.sizes[axis] == 0 || self.sizes[axis] > rest {
                return Err(Error::invalid(format!(
                    "{name} {} is out of range: from {start} on the layer has {rest}",
                    self.sizes[axis]
                ))
                .parameter(name));
            }
        }
        let (weights, channels) = (self.weights.len(), self.sizes[0]);
        if weights != 0 && weights != channels {
            let rule = format!("the block has {channels} channels; give one number per channel, or none");
            return Err(Error::invalid(format!("it has {weights} numbers, and {rule}")).parameter("weights"));
        }
        Ok(())
    }

    fn eval<T: Float>(&mut self, eval: &mut Eval<'_, T>) -> Result<(), Error> {
        for image in 0..eval.images() {
            let value = self.value(&eval.input(0).image(image));
            eval.set_value(image, value);
            let share = eval.scale(image);
            if let Some(gradient) = eval.gradient(0) {
                self.add_gradient(&mut gradient.image(image), share);
            }
        }
        Ok(())
    }
}

impl Group {
    fn weight(&self, channel: usize) -> f64 {
        self.weights.get(channel).copied().unwrap_or(1.0)
    }

    fn elements(&self) -> f64 {
        self.sizes.iter().product::<usize>() as f64
    }

    fn value<T: Float>(&self, image: &Grid<'_, T>) -> f64 {
        let block = image.part(self.start, self.sizes);
        let weighted = |channel: usize| self.weight(channel) * block.channel(channel).sum_by(|a| a);
        (0..self.sizes[0]).map(weighted).sum::<f64>() / self.elements()
    }

    fn add_gradient<T: Float>(&self, gradient: &mut GridMut<'_, T>, share: f64) {
        let mut block = gradient.part(self.start, self.sizes);
        for channel in 0..self.sizes[0] {
            block.channel(channel).add(share * self.weight(channel) / self.elements());
        }
    }
}

#[cfg(test)]
mod tests {
    use unitscope_sdk::testing::{Array, Given, MockHost, Subject, check_term};

    use super::*;

    const WINDOW: [(&str, Given<'_>); 4] = [
        ("channel", Given::Int(1)),
        ("row", Given::Int(1)),
        ("height", Given::Int(2)),
        ("column", Given::Int(2)),
    ];

    fn host(given: &[(&str, Given<'_>)]) -> MockHost {
        MockHost::new::<Group>(&[&[("layer", Given::Str("a"))], given].concat()).expect("valid parameters")
    }

    #[test]
    fn its_gradient_is_right_in_every_layout() {
        let weights = ("weights", Given::Floats(&[0.5, -2.0]));
        for given in [&[][..], &WINDOW, &[&WINDOW[..], &[weights]].concat()] {
            check_term(&mut host(given), &[Array::random(&[2, 3, 4, 5], 3)], false);
        }
        check_term(&mut host(&WINDOW[..1]), &[Array::random(&[2, 3], 3)], false);
    }

    #[test]
    fn it_is_the_mean_of_the_block() {
        let mut tap = Array::random(&[1, 3, 4, 5], 1);
        tap.data = (0..60).map(f64::from).collect();
        let value = |given: &[(&str, Given<'_>)]| {
            host(given).eval(&mut [tap.clone()], None, &[1.0], false).expect("a value")[0]
        };
        assert_eq!(value(&[]), 29.5);
        // Rows 1 and 2, columns 2 to 4: the mean of 7, 8, 9, 12, 13, 14 is 10.5, 20 more for each channel.
        assert_eq!(value(&WINDOW), 40.5);
        assert_eq!(value(&[&WINDOW[..], &[("weights", Given::Floats(&[2.0, 0.0]))]].concat()), 30.5);
    }

    #[test]
    fn a_block_that_is_not_inside_names_its_parameter() {
        let check = |name, value: i64, words: &str| {
            let tap = [Array::random(&[1, 3, 4, 5], 1)];
            let error = host(&[(name, Given::Int(value))]).prepare(&tap).expect_err("outside");
            assert!(error.contains(words), "{error}");
        };
        check("channel", 3, "channel 3 is out of range");
        check("height", 5, "height 5 is out of range: from 0 on the layer has 4 (status 3, parameter 4)");
        check("width", 6, "from 0 on the layer has 5 (status 3, parameter 6)");
        let error = host(&[("weights", Given::Floats(&[1.0]))]).prepare(&[Array::random(&[1, 3], 1)]);
        assert!(error.expect_err("three channels").contains("the block has 3 channels"));
    }
}
