//! A logarithmic axis: where a value lies, which values to mark, and which of these have a label.

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

    /// The values of the grid: powers of ten, and others between them when there are few.
    pub(super) fn marks(&self) -> Vec<f64> {
        let mut marks: Vec<_> = self.ranked().into_iter().map(|(_, value)| value).collect();
        marks.sort_by(f64::total_cmp);
        marks
    }

    /// The marks with their numbers, as many as find room: `size` is the length of a label along
    /// the axis. Powers of ten come first, then the halves and fifths of them.
    pub(super) fn labels(&self, size: impl Fn(&str) -> f64) -> Vec<(f64, String)> {
        let mut taken: Vec<(f64, f64)> = Vec::new();
        let mut labels = Vec::new();
        for (_, value) in self.ranked() {
            let label = label(value);
            let half = size(&label) / 2.0;
            let place = self.place(value);
            let is_free = |&(other, its): &(f64, f64)| (other - place).abs() >= half + its;
            if taken.iter().all(is_free) {
                taken.push((place, half));
                labels.push((value, label));
            }
        }
        labels
    }

    /// The values to mark, the most important first.
    fn ranked(&self) -> Vec<(usize, f64)> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = match decades {
            few if few < 1.2 => &[1.0, 2.0, 5.0, 3.0, 1.5, 4.0, 7.0],
            some if some < 3.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let values = steps.iter().enumerate().flat_map(|(rank, step)| {
            (first..=last).map(move |power| (rank, step * 10f64.powi(power)))
        });
        values
            .filter(|(_, value)| (self.low..=self.high).contains(value))
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
        let labels: Vec<_> = axis
            .labels(|_| 0.0)
            .into_iter()
            .map(|(_, label)| label)
            .collect();
        assert_eq!(
            labels,
            ["10", "100", "1 000", "10 000", "100 000", "1 000 000"]
        );
    }

    #[test]
    fn labels_that_would_touch_are_left_out_and_their_marks_stay() {
        let axis = Axis::over([100.0, 200_000.0].into_iter(), 118.0, 690.0);
        let size = |label: &str| 8.0 * label.len() as f64;
        let mut labels = axis.labels(size);
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in labels.windows(2) {
            let between = axis.place(pair[1].0) - axis.place(pair[0].0);
            let needed = (size(&pair[0].1) + size(&pair[1].1)) / 2.0;
            assert!(between >= needed, "{pair:?} overlap");
        }
        let powers = [100.0, 1_000.0, 10_000.0, 100_000.0];
        assert!(
            powers
                .iter()
                .all(|power| labels.iter().any(|(value, _)| value == power))
        );
        assert!(labels.len() < axis.marks().len());
    }
}
