//! Checks of controls: capacitor switching and inverter functions.

use super::*;

impl Check<'_> {
    pub(super) fn controls(&mut self) {
        for c in &self.case.capacitor_controls {
            self.capacitor_control(c);
        }
        for g in &self.case.generators {
            if let Some(limit) = g.current_limit_pu {
                self.positive(limit, "generator", &g.id, "current_limit_pu");
                self.positive(g.kva, "generator", &g.id, "kva");
            }
            if let Some(control) = &g.control {
                self.inverter(g, control);
            }
        }
    }

    fn capacitor_control(&mut self, c: &CapacitorControl) {
        let kind = "capacitor control";
        let bank = self.case.capacitors.iter().any(|b| b.id == c.capacitor);
        self.need(
            bank,
            kind,
            &c.id,
            format!("capacitor `{}` does not exist", c.capacitor),
        );
        match self.case.lines.iter().find(|l| l.id == c.line) {
            None => self.say(kind, &c.id, format!("line `{}` does not exist", c.line)),
            Some(line) => {
                let known = usize::from(c.phase) <= line.from.conductors.len() && c.phase > 0;
                self.need(known, kind, &c.id, "the line has no such phase");
            }
        }
        for (value, what) in [(c.on, "on"), (c.off, "off")] {
            self.finite(value, kind, &c.id, what);
        }
        self.positive(c.pt_ratio, kind, &c.id, "pt_ratio");
        self.positive(c.ct_ratio, kind, &c.id, "ct_ratio");
        for delay in [c.delay_s, c.delay_off_s] {
            let fits = delay.is_finite() && delay >= 0.0;
            self.need(fits, kind, &c.id, "delays may not be negative");
        }
        if let Some((low, high)) = c.voltage_override {
            self.need(
                low < high,
                kind,
                &c.id,
                "voltage_override must be (lowest, highest)",
            );
        }
    }

    fn inverter(&mut self, g: &Generator, c: &InverterControl) {
        let kind = "generator";
        self.positive(g.kva, kind, &g.id, "kva");
        self.positive(c.p_rated_kw, kind, &g.id, "control.p_rated_kw");
        let mut reactive = vec![c.q_most_kvar.0, c.q_most_kvar.1];
        if let ReactiveBase::Stated { inject, absorb } = c.q_base {
            reactive.extend([inject, absorb]);
        }
        for q in reactive {
            let fits = q.is_finite() && q >= 0.0;
            self.need(fits, kind, &g.id, "reactive powers may not be negative");
        }
        for (curve, what) in [
            (&c.volt_var, "volt_var"),
            (&c.volt_watt, "volt_watt"),
            (&c.watt_var, "watt_var"),
        ] {
            let rising = curve.windows(2).all(|p| p[0].0 < p[1].0);
            let finite = curve.iter().all(|p| p.0.is_finite() && p.1.is_finite());
            self.need(
                rising && finite && curve.len() <= 32,
                kind,
                &g.id,
                format!("{what} needs at most 32 finite points with rising x"),
            );
        }
        let reactive_laws = [
            !c.volt_var.is_empty(),
            !c.watt_var.is_empty(),
            c.power_factor.is_some(),
        ];
        self.need(
            reactive_laws.into_iter().filter(|&on| on).count() <= 1,
            kind,
            &g.id,
            "only one of volt_var, watt_var and power_factor can set the reactive power",
        );
        if let Some(pf) = c.power_factor {
            let fits = pf != 0.0 && pf.abs() <= 1.0;
            self.need(
                fits,
                kind,
                &g.id,
                "power_factor must be from -1 to 1 and not 0",
            );
        }
        if let Some((deadband, droop)) = c.frequency_watt {
            let fits = deadband.is_finite() && deadband >= 0.0 && droop.is_finite() && droop > 0.0;
            self.need(
                fits,
                kind,
                &g.id,
                "frequency_watt needs a deadband not below 0 and a positive droop",
            );
        }
    }
}
