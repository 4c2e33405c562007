//! Applying a step operation in a test: what every one of them has to keep is checked on the way.

use unitscope_sdk::Term;
use unitscope_sdk::testing::{Array, Given, MockHost};

/// What an operation writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    Image,
    Gradient,
}

/// What becomes of image or gradient in the first of two steps. The other one stays as it is, channels-last memory gives the same, and so
/// does each image alone.
pub fn applied<T: Term>(given: &[(&str, Given<'_>)], array: &Array, edited: Edited) -> Array {
    let apply = |array: &Array| {
        let mut host = MockHost::new::<T>(given).expect("valid parameters");
        let other = Array { data: Array::random(&array.shape, 9).data, ..array.clone() };
        let (mut image, mut gradient) = match edited {
            Edited::Image => (array.clone(), other.clone()),
            Edited::Gradient => (other.clone(), array.clone()),
        };
        host.apply(&mut image, &mut gradient).expect("it applies");
        let (after, kept) = if edited == Edited::Image { (image, gradient) } else { (gradient, image) };
        assert_eq!(kept.data, other.data, "it is not the operation's to edit");
        after
    };
    let after = apply(array);
    assert_eq!(apply(&array.channels_last()).values(), after.values(), "channels-last");
    for image in 0..array.images() {
        assert_eq!(
            apply(&array.select(&[image])).values(),
            after.select(&[image]).values(),
            "image {image} alone"
        );
    }
    after
}
