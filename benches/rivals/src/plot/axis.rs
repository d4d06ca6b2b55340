//! A logarithmic axis: where a value lies, and which values to mark.

use crate::table::grouped;

#[derive(Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that holds all `values`, with a little room around them, drawn between two places.
    pub(super) fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, f64::MIN), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        let (low, high) = if low > high { (1.0, 1.0) } else { (low, high) };
        Self {
            low: low / 1.25,
            high: high * 1.25,
            from,
            to,
        }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let part = (value / self.low).log10() / (self.high / self.low).log10();
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Powers of ten; two and five between them when there are few; every value's label is its
    /// number.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = match decades {
            few if few < 1.2 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            some if some < 3.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        (first..=last)
            .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
            .filter(|value| (self.low..=self.high).contains(value))
            .map(|value| (value, label(value)))
            .collect()
    }
}

fn label(value: f64) -> String {
    if value < 10.0 && value.fract() > 1e-9 {
        format!("{value:.1}")
    } else {
        grouped(value.round() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_as_long_anywhere_on_the_axis() {
        let axis = Axis::over([1.0, 1_000.0].into_iter(), 0.0, 300.0);
        let near = axis.place(20.0) - axis.place(2.0);
        let far = axis.place(500.0) - axis.place(50.0);
        assert!((near - far).abs() < 1e-9, "{near} and {far}");
    }

    #[test]
    fn a_single_value_is_the_middle() {
        let axis = Axis::over([7.0].into_iter(), 0.0, 300.0);
        assert!((axis.place(7.0) - 150.0).abs() < 1e-9);
        assert!(!axis.marks().is_empty());
    }

    #[test]
    fn wide_axes_mark_powers_of_ten() {
        let axis = Axis::over([10.0, 1_000_000.0].into_iter(), 0.0, 1.0);
        let labels: Vec<_> = axis.marks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(
            labels,
            ["10", "100", "1 000", "10 000", "100 000", "1 000 000"]
        );
    }
}
