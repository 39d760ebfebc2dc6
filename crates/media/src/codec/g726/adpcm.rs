// SPDX-License-Identifier: MIT OR Apache-2.0
//! The adaptive quantizer and predictor of G.726, block by block as section 2 and figure 4 of it name them.

/// What differs between the rates.
#[derive(Debug)]
pub(super) struct Quantizer {
    bits: u32,
    /// Decision levels of the normalised logarithm (G.726 tables 1 to 4), lowest first.
    decisions: &'static [i32],
    /// Reconstructed logarithm for each magnitude (same tables); [`NOTHING`] where it is minus infinity.
    levels: &'static [i32],
    /// Multiplier of the scale factor, W(I), for each magnitude (section 2.4).
    scale: &'static [i32],
    /// Weight for the speed of adaptation, F(I), for each magnitude (section 2.5).
    speed: &'static [i32],
    /// How slowly the zeros of the predictor leak: 1/512 at 40 kbit/s, else 1/256 (section 2.6).
    leak: u32,
}

/// A logarithm below all others.
const NOTHING: i32 = -2_048;

pub(super) const KBIT_16: Quantizer = Quantizer {
    bits: 2,
    decisions: &[261],
    levels: &[116, 365],
    scale: &[-22, 439],
    speed: &[0, 7],
    leak: 8,
};

pub(super) const KBIT_24: Quantizer = Quantizer {
    bits: 3,
    decisions: &[8, 218, 331],
    levels: &[NOTHING, 135, 273, 373],
    scale: &[-4, 30, 137, 582],
    speed: &[0, 1, 2, 7],
    leak: 8,
};

pub(super) const KBIT_32: Quantizer = Quantizer {
    bits: 4,
    decisions: &[-124, 80, 178, 246, 300, 349, 400],
    levels: &[NOTHING, 4, 135, 213, 273, 323, 373, 425],
    scale: &[-12, 18, 41, 64, 112, 198, 355, 1_122],
    speed: &[0, 0, 0, 1, 1, 1, 3, 7],
    leak: 8,
};

pub(super) const KBIT_40: Quantizer = Quantizer {
    bits: 5,
    decisions: &[-122, -16, 68, 139, 198, 250, 298, 339, 378, 413, 445, 475, 502, 528, 553],
    levels: &[NOTHING, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566],
    scale: &[14, 14, 24, 39, 40, 41, 58, 100, 141, 179, 219, 280, 358, 440, 529, 696],
    speed: &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6],
    leak: 9,
};

impl Quantizer {
    /// QUAN: the code of a difference under scale factor `y`; negative ones are the complement.
    fn quantize(&self, difference: i32, y: i32) -> u8 {
        let magnitude = difference.unsigned_abs() & 0x7fff;
        let exponent = length(magnitude >> 1);
        let mantissa = ((magnitude << 7) >> exponent) & 0x7f;
        let logarithm = ((exponent << 7) + mantissa) as i32 - (y >> 2);
        let interval = self.decisions.partition_point(|level| *level <= logarithm) as u8;
        let most = ((1 << self.bits) - 1) as u8;
        // All codes but those of 16 kbit/s have one zero only: that of the negative side.
        if difference < 0 || (interval == 0 && self.bits > 2) { most - interval } else { interval }
    }

    /// Sign and magnitude index of a code.
    fn split(&self, code: u8) -> (bool, usize) {
        let negative = code >> (self.bits - 1) & 1 != 0;
        let most = ((1 << self.bits) - 1) as u8;
        let index = if negative { most - (code & most) } else { code };
        (negative, usize::from(index).min(self.levels.len() - 1))
    }

    /// RECONST and ADDA, ANTILOG: the magnitude a code stands for under scale factor `y`.
    fn magnitude(&self, index: usize, y: i32) -> i32 {
        let logarithm = self.levels[index] + (y >> 2);
        if logarithm < 0 {
            return 0;
        }
        let exponent = logarithm >> 7 & 15;
        ((128 + (logarithm & 127)) << 7) >> (14 - exponent)
    }
}

/// Bits of a number: its exponent in the formats of section 4.
fn length(magnitude: u32) -> u32 {
    u32::BITS - magnitude.leading_zeros()
}

/// A number with 4 bits of exponent and 6 of mantissa (FLOATA, FLOATB).
#[derive(Clone, Copy, Debug)]
struct Float {
    negative: bool,
    exponent: i32,
    mantissa: i32,
}

impl Float {
    const ZERO: Self = Self { negative: false, exponent: 0, mantissa: 32 };

    fn new(negative: bool, magnitude: i32) -> Self {
        let magnitude = magnitude.unsigned_abs() & 0x7fff;
        let exponent = length(magnitude);
        let mantissa = if magnitude == 0 { 32 } else { (magnitude << 6) >> exponent };
        Self { negative, exponent: exponent as i32, mantissa: mantissa as i32 }
    }

    /// FMULT: a coefficient of the predictor, in 1/16384, times this.
    fn times(self, coefficient: i32) -> i32 {
        let coefficient = coefficient >> 2;
        let magnitude = if coefficient > 0 { coefficient } else { -coefficient & 0x1fff };
        let exponent = length(magnitude as u32) as i32 - 6;
        let mantissa = match magnitude {
            0 => 32,
            _ if exponent >= 0 => magnitude >> exponent,
            _ => magnitude << -exponent,
        };
        let product = (mantissa * self.mantissa + 48) >> 4;
        let exponent = exponent + self.exponent - 13;
        let product = if exponent >= 0 { (product << exponent) & 0x7fff } else { product >> -exponent };
        if (coefficient < 0) == self.negative { product } else { -product }
    }
}

/// All that encoder and decoder remember; both run in step.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Slow scale factor, in 1/32768.
    yl: i32,
    /// Fast scale factor, in 1/512.
    yu: i32,
    /// Short and long average of F(I).
    dms: i32,
    dml: i32,
    /// Speed of adaptation before it is limited, in 1/256.
    ap: i32,
    /// Coefficients of the poles and zeros.
    a: [i32; 2],
    b: [i32; 6],
    /// Signs of the last two partially reconstructed samples.
    pk: [bool; 2],
    /// Quantized differences, newest first.
    dq: [Float; 6],
    /// Reconstructed samples, newest first.
    sr: [Float; 2],
    /// Whether a tone of narrow band was seen.
    td: bool,
}

/// The signal estimate, the part the zeros have in it, and the scale factor.
struct Estimate {
    se: i32,
    sez: i32,
    y: i32,
}

impl State {
    /// The state after a reset (section 4.1, table 14).
    pub(super) const fn new() -> Self {
        Self {
            yl: 34_816,
            yu: 544,
            dms: 0,
            dml: 0,
            ap: 0,
            a: [0; 2],
            b: [0; 6],
            pk: [false; 2],
            dq: [Float::ZERO; 6],
            sr: [Float::ZERO; 2],
            td: false,
        }
    }

    /// Encodes one 16-bit sample.
    pub(super) fn encode(&mut self, quantizer: &Quantizer, sample: i16) -> u8 {
        let estimate = self.estimate();
        let code = quantizer.quantize(i32::from(sample >> 2) - estimate.se, estimate.y);
        self.reconstruct(quantizer, code, &estimate);
        code
    }

    /// Decodes one code to a 16-bit sample.
    pub(super) fn decode(&mut self, quantizer: &Quantizer, code: u8) -> i16 {
        let estimate = self.estimate();
        // LIMO of annex A: what is louder than 14 bits allow is limited.
        self.reconstruct(quantizer, code, &estimate).clamp(-8_192, 8_191) << 2
    }

    fn estimate(&self) -> Estimate {
        let sezi: i32 = self.b.iter().zip(self.dq).map(|(b, dq)| dq.times(*b)).sum();
        let sei = sezi + self.sr[1].times(self.a[1]) + self.sr[0].times(self.a[0]);
        let wrapped = |sum: i32| i32::from(sum as i16 >> 1);
        Estimate { se: wrapped(sei), sez: wrapped(sezi), y: self.scale_factor() }
    }

    /// LIMA and MIX: between the fast and the slow scale factor.
    fn scale_factor(&self) -> i32 {
        if self.ap >= 256 {
            return self.yu;
        }
        let (slow, al) = (self.yl >> 6, self.ap >> 2);
        let difference = self.yu - slow;
        match difference {
            1.. => slow + ((difference * al) >> 6),
            0 => slow,
            _ => slow + ((difference * al + 63) >> 6),
        }
    }

    /// Decodes what the encoder sent, and learns from it.
    fn reconstruct(&mut self, quantizer: &Quantizer, code: u8, estimate: &Estimate) -> i16 {
        let (negative, index) = quantizer.split(code);
        let magnitude = quantizer.magnitude(index, estimate.y);
        let signed = if negative { -magnitude } else { magnitude };
        // ADDB works modulo 2^16.
        let sr = (estimate.se + signed) as i16;
        let dqsez = i32::from((estimate.sez + signed) as i16);
        self.update(quantizer, index, (negative, magnitude), sr, dqsez, estimate.y);
        sr
    }

    fn update(
        &mut self,
        quantizer: &Quantizer,
        index: usize,
        (negative, magnitude): (bool, i32),
        sr: i16,
        dqsez: i32,
        y: i32,
    ) {
        let transition = self.is_transition(magnitude);
        // FILTD and LIMB, FILTE.
        self.yu = (y + (((quantizer.scale[index] << 5) - y) >> 5)).clamp(544, 5_120);
        self.yl += self.yu + (-self.yl >> 6);
        let pk = dqsez < 0;
        if transition {
            self.a = [0; 2];
            self.b = [0; 6];
        } else {
            self.adapt_poles(dqsez, pk);
            self.adapt_zeros(quantizer.leak, negative, magnitude);
        }
        self.dq.rotate_right(1);
        self.dq[0] = Float::new(negative, magnitude);
        // The lowest number there is has no magnitude: it counts as a negative zero.
        self.sr = [Float::new(sr < 0, i32::from(sr)), self.sr[0]];
        self.pk = [pk, self.pk[0]];
        // TONE.
        self.td = !transition && self.a[1] < -11_776;
        self.adapt_speed(quantizer.speed[index] << 9, transition, y);
    }

    /// TRANS: a large difference after a tone.
    fn is_transition(&self, magnitude: i32) -> bool {
        let (whole, fraction) = (self.yl >> 15, self.yl >> 10 & 31);
        let threshold = if whole > 9 { 31 << 10 } else { (32 + fraction) << whole };
        self.td && magnitude > (threshold + (threshold >> 1)) >> 1
    }

    /// UPA1, UPA2, LIMC, LIMD.
    fn adapt_poles(&mut self, dqsez: i32, pk: bool) {
        let [a1, a2] = self.a;
        let turned = pk != self.pk[0];
        let mut next2 = a2 - (a2 >> 7);
        let mut next1 = a1 - (a1 >> 8);
        if dqsez != 0 {
            next2 += match if turned { a1 } else { -a1 } {
                ..-8_191 => -256,
                8_192.. => 255,
                f => f >> 5,
            };
            next2 += if pk == self.pk[1] { 128 } else { -128 };
            next1 += if turned { -192 } else { 192 };
        }
        next2 = next2.clamp(-12_288, 12_288);
        let limit = 15_360 - next2;
        self.a = [next1.clamp(-limit, limit), next2];
    }

    /// UPB and XOR.
    fn adapt_zeros(&mut self, leak: u32, negative: bool, magnitude: i32) {
        for (b, dq) in self.b.iter_mut().zip(self.dq) {
            *b -= *b >> leak;
            if magnitude != 0 {
                *b += if dq.negative == negative { 128 } else { -128 };
            }
        }
    }

    /// FILTA, FILTB, SUBTC, FILTC, TRIGA.
    fn adapt_speed(&mut self, f: i32, transition: bool, y: i32) {
        self.dms += (f - self.dms) >> 5;
        self.dml += ((f << 2) - self.dml) >> 7;
        let fast = y < 1_536 || self.td || ((self.dms << 2) - self.dml).abs() >= self.dml >> 3;
        self.ap = match (transition, fast) {
            (true, _) => 256,
            (false, true) => self.ap + ((512 - self.ap) >> 4),
            (false, false) => self.ap + (-self.ap >> 4),
        };
    }
}
