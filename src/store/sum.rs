//! What a field comes to over rows: the sum, the least and the greatest of its values.

use crate::model::{Value, ValueRef, key};

/// A sum. Whole numbers are added exactly; real ones with the error of each addition carried along (Neumaier, 1974), so that the order in
/// which the rows come does not show.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sum {
    /// Rows that have a value.
    pub count: u64,
    whole: i128,
    real: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.whole += other.whole;
        self.add_real(other.real);
        self.lost += other.lost;
    }

    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Integer(number) => self.whole += i128::from(number),
            ValueRef::Real(number) => self.add_real(number),
            _ => return,
        }
        self.count += 1;
    }

    fn add_real(&mut self, number: f64) {
        let sum = self.real + number;
        let (larger, smaller) = if self.real.abs() >= number.abs() { (self.real, number) } else { (number, self.real) };
        self.lost += (larger - sum) + smaller;
        self.real = sum;
    }

    /// The sum, as the nearest real number; infinite when it is beyond those.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "the nearest is what is asked for")]
    pub fn total(&self) -> f64 {
        // An infinite sum has lost what is not a number.
        let real = if self.real.is_finite() { self.real + self.lost } else { self.real };
        self.whole as f64 + real
    }
}

/// What the values of some rows come to.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Rows, also those that have no value.
    pub(super) rows: u64,
    pub(super) sum: Sum,
    /// Null without any value.
    pub(super) least: Value,
    /// Null without any value.
    pub(super) greatest: Value,
}

impl Totals {
    /// Adds a row's value.
    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        self.rows += 1;
        self.sum.add(value);
        self.stretch(value);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sum.merge(&other.sum);
        self.stretch(other.least.as_ref());
        self.stretch(other.greatest.as_ref());
    }

    fn stretch(&mut self, value: ValueRef<'_>) {
        if value == ValueRef::Null {
            return;
        }
        if self.least == Value::Null || key::compare(value, self.least.as_ref()).is_lt() {
            self.least = value.to_value();
        }
        // Null is less than every value.
        if key::compare(value, self.greatest.as_ref()).is_gt() {
            self.greatest = value.to_value();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[ValueRef<'_>]) -> (u64, f64) {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add(*value));
        (sum.count, sum.total())
    }

    #[test]
    fn whole_numbers_are_exact_on_the_way() {
        let large = ValueRef::Integer((1 << 53) - 1);
        let small = ValueRef::Integer(-((1 << 53) - 1));
        assert_eq!(sum(&[large, large, ValueRef::Integer(3), small, small]), (5, 3.0));
    }

    #[test]
    fn the_order_of_real_numbers_does_not_show() {
        let (one, large, minus) = (ValueRef::Real(1.0), ValueRef::Real(1e100), ValueRef::Real(-1e100));
        for values in [[one, large, one, minus], [large, one, minus, one], [large, minus, one, one]] {
            assert_eq!(sum(&values), (4, 2.0));
            for place in 0..4 {
                let [mut first, mut rest] = [Sum::default(); 2];
                values.iter().take(place).for_each(|value| first.add(*value));
                values.iter().skip(place).for_each(|value| rest.add(*value));
                first.merge(&rest);
                assert_eq!((first.count, first.total()), (4, 2.0));
            }
        }
        assert_eq!(sum(&[ValueRef::Real(0.1); 10]), (10, 1.0));
    }

    #[test]
    fn what_has_no_value_does_not_count_and_too_much_is_infinite() {
        assert_eq!(sum(&[ValueRef::Null, ValueRef::Integer(4)]), (1, 4.0));
        assert_eq!(sum(&[]), (0, 0.0));
        assert_eq!(sum(&[ValueRef::Real(f64::MAX); 3]), (3, f64::INFINITY));
    }
}
