//! Checks of what a caller hands to an instance, and of what the plugin leaves behind; none of them calls the plugin.

use super::{Instance, Tap};
use crate::plugin::check::first_non_finite;
use crate::plugin::error::TermError;
use crate::plugin::guard::Element;
use crate::plugin::info::TermKind;
use crate::plugin::view::{Axis, DType, View};

impl Instance {
    pub(super) fn check_views(&self, views: &[View<'_>]) -> Result<(), TermError> {
        let wanted = if self.info.kind == TermKind::StepOperation { 1 } else { self.taps.len() };
        if wanted == 0 {
            return Err(self.misused("its taps have to be asked for first"));
        }
        if views.len() != wanted {
            return Err(self.misused(&format!("it has {wanted} taps, and was given {} views", views.len())));
        }
        if views.iter().any(|view| view.images() != views[0].images() || view.axes()[0] != Axis::Batch) {
            return Err(self.misused("all its taps must begin with a batch axis of one size"));
        }
        if !self.info.float64 && views.iter().any(|view| view.dtype() == DType::F64) {
            return Err(self.misused("it takes float32 only"));
        }
        Ok(())
    }

    pub(super) fn check_eval(
        &self,
        taps: &[View<'_>],
        gradients: Option<&[View<'_>]>,
        scale: &[f64],
        values: &[f64],
    ) -> Result<(), TermError> {
        if !self.prepared {
            return Err(self.misused("it has to be prepared first"));
        }
        self.check_views(taps)?;
        let images = taps[0].images();
        if scale.len() != images || values.len() != images {
            return Err(self.misused(&format!(
                "its taps hold {images} images, and there are {} scales and {} values",
                scale.len(),
                values.len()
            )));
        }
        if taps.iter().any(|tap| tap.data().is_null()) {
            return Err(self.misused("its taps have no data"));
        }
        if let Some(gradients) = gradients {
            let same = |(tap, gradient): (&View<'_>, &View<'_>)| {
                tap.shape() == gradient.shape() && tap.dtype() == gradient.dtype()
            };
            if gradients.len() != taps.len() || !taps.iter().zip(gradients).all(same) {
                return Err(self.misused("each tap needs one gradient of its shape and type"));
            }
            let wanted =
                |(tap, gradient): (&Tap, &View<'_>)| tap.is_reference() && !gradient.data().is_null();
            if self.taps.iter().zip(gradients).any(wanted) {
                return Err(self.misused("a tap of the reference image has no gradient"));
            }
        }
        Ok(())
    }

    pub(super) fn check_apply(&self, image: &View<'_>, gradient: &View<'_>) -> Result<(), TermError> {
        if !self.prepared {
            return Err(self.misused("it has to be prepared first"));
        }
        self.check_views(std::slice::from_ref(image))?;
        if image.shape() != gradient.shape() || image.dtype() != gradient.dtype() {
            return Err(self.misused("image and gradient differ in shape or type"));
        }
        if image.data().is_null() || gradient.data().is_null() {
            return Err(self.misused("image or gradient has no data"));
        }
        Ok(())
    }

    pub(super) fn check_intact(&mut self, intact: bool, what: &str) -> Result<(), TermError> {
        if intact {
            return Ok(());
        }
        self.poisoned = true;
        Err(TermError::WroteOutside { term: self.info.id.clone(), what: what.to_owned() })
    }

    pub(super) fn check_values(&self, values: &[f64]) -> Result<(), TermError> {
        let term = || self.info.id.clone();
        if let Some(image) = values.iter().position(|value| value.same_bits(f64::CANARY)) {
            return Err(TermError::TooFewValues { term: term(), image, images: values.len() });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(image) => Err(TermError::NonFinite { term: term(), what: "value".to_owned(), image }),
            None => Ok(()),
        }
    }

    pub(super) fn check_gradients(&self, gradients: &[View<'_>]) -> Result<(), TermError> {
        gradients
            .iter()
            .zip(&self.taps)
            .filter(|(gradient, _)| !gradient.data().is_null())
            .try_for_each(|(gradient, tap)| self.check_finite(gradient, || format!("gradient of {tap}")))
    }

    pub(super) fn check_finite(&self, view: &View<'_>, what: impl Fn() -> String) -> Result<(), TermError> {
        match first_non_finite(view) {
            Some(image) => Err(TermError::NonFinite { term: self.info.id.clone(), what: what(), image }),
            None => Ok(()),
        }
    }
}
