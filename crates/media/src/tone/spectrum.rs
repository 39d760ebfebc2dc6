// SPDX-License-Identifier: MIT OR Apache-2.0
//! Complex numbers and a Fourier transform, for measuring off the tick.

use std::f64::consts::TAU;
use std::ops::{Add, AddAssign, Mul, Sub};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    /// The point on the unit circle at `angle` radians.
    pub(super) fn turn(angle: f64) -> Self {
        let (im, re) = angle.sin_cos();
        Self { re, im }
    }

    pub(super) const fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }

    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { re: self.re * factor, im: self.im * factor }
    }

    pub(super) fn power(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    pub(super) fn magnitude(self) -> f64 {
        self.power().sqrt()
    }

    pub(super) fn angle(self) -> f64 {
        self.im.atan2(self.re)
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl AddAssign for Complex {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

/// Hann's window over `length` points; its mean is one half.
pub(super) fn hann(length: usize) -> Vec<f64> {
    (0..length).map(|index| 0.5 - 0.5 * (TAU * (index as f64 + 0.5) / length as f64).cos()).collect()
}

/// The mean power in each of `size / 2` frequency bins (`size` a power of two), over half-overlapping windows.
pub(super) fn mean_power(samples: &[i16], size: usize) -> Vec<f64> {
    let window = hann(size);
    let mut power = vec![0.0; size / 2];
    let mut points = vec![Complex::default(); size];
    let mut start = 0;
    loop {
        for (index, (point, weight)) in points.iter_mut().zip(&window).enumerate() {
            let sample = samples.get(start + index).copied().unwrap_or(0);
            *point = Complex { re: f64::from(sample) * weight, im: 0.0 };
        }
        transform(&mut points);
        for (sum, point) in power.iter_mut().zip(&points) {
            *sum += point.power();
        }
        start += size / 2;
        if start + size / 2 >= samples.len() {
            return power;
        }
    }
}

/// The discrete Fourier transform in place; the length is a power of two.
fn transform(points: &mut [Complex]) {
    let length = points.len();
    if length < 2 {
        return;
    }
    let bits = length.trailing_zeros();
    for index in 0..length {
        let mirrored = index.reverse_bits() >> (usize::BITS - bits);
        if index < mirrored {
            points.swap(index, mirrored);
        }
    }
    let mut half = 1;
    while half < length {
        let twiddles: Vec<_> =
            (0..half).map(|index| Complex::turn(-TAU * index as f64 / (2 * half) as f64)).collect();
        for group in points.chunks_exact_mut(2 * half) {
            let (low, high) = group.split_at_mut(half);
            for ((low, high), twiddle) in low.iter_mut().zip(high).zip(&twiddles) {
                let turned = *high * *twiddle;
                (*low, *high) = (*low + turned, *low - turned);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_fouriers() {
        let points: Vec<_> =
            (0..16).map(|i| Complex { re: f64::from(i * i % 7), im: f64::from(i * 5 % 3) }).collect();
        let mut fast = points.clone();
        transform(&mut fast);
        for (bin, fast) in fast.iter().enumerate() {
            let mut slow = Complex::default();
            for (index, point) in points.iter().enumerate() {
                slow += *point * Complex::turn(-TAU * (bin * index) as f64 / 16.0);
            }
            assert!((slow - *fast).magnitude() < 1e-9, "{bin}");
        }
    }

    #[test]
    fn power_gathers_at_the_frequency() {
        let samples: Vec<_> =
            (0..3_000).map(|i| (9_000.0 * (TAU * f64::from(i) / 32.0).sin()) as i16).collect();
        let power = mean_power(&samples, 1_024);
        let loudest = (0..512).max_by(|&a, &b| power[a].total_cmp(&power[b]));
        assert_eq!(loudest, Some(32));
    }
}
