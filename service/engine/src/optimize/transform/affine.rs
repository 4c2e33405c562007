//! Affine maps of the plane, in pixels around a picture's centre. They know no tensor.

/// `(x, y) ↦ (xx·x + xy·y + x0, yx·x + yy·y + y0)`; x runs along columns, y along rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    xx: f64,
    xy: f64,
    yx: f64,
    yy: f64,
    x0: f64,
    y0: f64,
}

impl Affine {
    /// Leaves every place where it is.
    pub const IDENTITY: Affine = Affine { xx: 1.0, xy: 0.0, yx: 0.0, yy: 1.0, x0: 0.0, y0: 0.0 };

    /// Changes left and right about.
    pub const FLIP: Affine = Affine { xx: -1.0, ..Self::IDENTITY };

    /// From xx, xy, x0, yx, yy, y0.
    #[cfg(test)]
    pub fn from_rows([xx, xy, x0, yx, yy, y0]: [f64; 6]) -> Self {
        Self { xx, xy, yx, yy, x0, y0 }
    }

    /// Moves by `rows` and `columns` pixels.
    pub fn shift(rows: f64, columns: f64) -> Self {
        Self { x0: columns, y0: rows, ..Self::IDENTITY }
    }

    /// Multiplies distances from the centre by `factor`.
    pub fn scale(factor: f64) -> Self {
        Self { xx: factor, yy: factor, ..Self::IDENTITY }
    }

    /// Turns around the centre by `angle_rad`, from columns towards rows.
    pub fn rotation(angle_rad: f64) -> Self {
        let (sin, cos) = angle_rad.sin_cos();
        Self { xx: cos, xy: -sin, yx: sin, yy: cos, ..Self::IDENTITY }
    }

    /// First `inner`, then this.
    pub fn after(&self, inner: &Self) -> Self {
        let (x0, y0) = self.apply(inner.x0, inner.y0);
        Self {
            xx: self.xx * inner.xx + self.xy * inner.yx,
            xy: self.xx * inner.xy + self.xy * inner.yy,
            yx: self.yx * inner.xx + self.yy * inner.yx,
            yy: self.yx * inner.xy + self.yy * inner.yy,
            x0,
            y0,
        }
    }

    /// How far apart it takes neighbours, over all directions.
    pub fn step(&self) -> f64 {
        (self.xx * self.yy - self.xy * self.yx).abs().sqrt()
    }

    /// Where `(x, y)` goes.
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        (self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0)
    }

    /// The two rows of libtorch's `affine_grid_generator` with `align_corners = false`, whose coordinates run from −1 at the
    /// first pixel's outer edge to 1 at the last one's.
    pub fn normalized(&self, height: i64, width: i64) -> [f32; 6] {
        let (h, w) = (height as f64 / 2.0, width as f64 / 2.0);
        let rows = [[self.xx, self.xy * h / w, self.x0 / w], [self.yx * w / h, self.yy, self.y0 / h]];
        let mut flat = [0.0; 6];
        for (slot, value) in flat.iter_mut().zip(rows.iter().flatten()) {
            *slot = *value as f32;
        }
        flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(map: Affine, from: (f64, f64), to: (f64, f64)) {
        let (x, y) = map.apply(from.0, from.1);
        assert!((x - to.0).abs() < 1e-12 && (y - to.1).abs() < 1e-12, "{x}, {y} against {to:?}");
    }

    #[test]
    fn parts_do_what_they_say() {
        check(Affine::shift(2.0, 5.0), (1.0, 1.0), (6.0, 3.0));
        check(Affine::scale(0.5), (4.0, -2.0), (2.0, -1.0));
        check(Affine::rotation(std::f64::consts::FRAC_PI_2), (1.0, 0.0), (0.0, 1.0));
    }

    #[test]
    fn after_applies_the_inner_map_first() {
        let map = Affine::scale(2.0).after(&Affine::shift(0.0, 1.0));
        check(map, (3.0, 0.0), (8.0, 0.0));
    }
}
