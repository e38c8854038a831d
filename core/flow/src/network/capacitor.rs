//! Capacitor banks, switched in equal steps, and reactors.

use gridloom_model::grid::Capacitor;

use super::*;

#[derive(Clone, Debug)]
pub(super) struct CapacitorInfo {
    id: String,
    element: usize,
    /// Matrix with every step in service.
    full: Matrix,
    joins: Joins,
    steps: u16,
    on: u16,
    kvar: f64,
}

#[derive(Clone, Debug)]
pub(super) struct ReactorInfo {
    pub(super) element: usize,
    /// Both ends at one bus or at earth.
    pub(super) shunt: bool,
}

impl CapacitorInfo {
    pub(super) fn new(case: &Capacitor, element: usize, full: Matrix, joins: Joins) -> Self {
        let steps = case.steps.max(1);
        Self {
            id: case.id.clone(),
            element,
            full,
            joins,
            steps,
            on: if case.closed { steps } else { 0 },
            kvar: case.kvar,
        }
    }

    pub(super) fn on(&self) -> u16 {
        self.on
    }
}

impl Network {
    /// Number of capacitor banks.
    pub fn capacitor_count(&self) -> usize {
        self.capacitors.len()
    }

    /// Capacitor bank by id.
    pub fn capacitor_index(&self, id: &str) -> Option<usize> {
        self.capacitors.iter().position(|c| c.id == id)
    }

    /// Id of a capacitor bank.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn capacitor_id(&self, capacitor: usize) -> &str {
        &self.capacitors[capacitor].id
    }

    /// Steps of a bank: those in service and all it has.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn capacitor_steps(&self, capacitor: usize) -> (u16, u16) {
        let info = &self.capacitors[capacitor];
        (info.on, info.steps)
    }

    /// Reactive power of a bank with every step in service at rated voltage, kvar.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn capacitor_kvar(&self, capacitor: usize) -> f64 {
        self.capacitors[capacitor].kvar
    }

    /// Puts steps of a bank into service, at most those it has; returns whether
    /// anything changed. Takes effect with the next [`Network::solve`].
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn set_capacitor_steps(&mut self, capacitor: usize, steps: u16) -> bool {
        let info = &mut self.capacitors[capacitor];
        let on = steps.min(info.steps);
        if info.on == on {
            return false;
        }
        let was_off = info.on == 0;
        info.on = on;
        let share = f64::from(on) / f64::from(info.steps);
        let mut matrix = info.full.clone();
        for value in &mut matrix.a {
            *value = value.scale(share);
        }
        let element = info.element;
        self.elements[element].joins = if on == 0 { Joins::Nothing } else { info.joins };
        self.write_element(element, &matrix);
        self.stale.values = true;
        self.stale.topology |= was_off || on == 0;
        true
    }

    /// Power a bank draws now, W and var; the var of a capacitor are negative.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn capacitor_power(&self, capacitor: usize) -> (f64, f64) {
        let element = self.capacitors[capacitor].element;
        let all = 0..self.elements[element].nodes.len();
        let s = self.element_power(element, all);
        (s.re, s.im)
    }

    /// Number of reactors and earthing impedances.
    pub fn reactor_count(&self) -> usize {
        self.reactors.len()
    }

    /// Whether a reactor leads to earth or back to its own bus.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn reactor_is_shunt(&self, reactor: usize) -> bool {
        self.reactors[reactor].shunt
    }

    /// Power a reactor draws now, W and var.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn reactor_power(&self, reactor: usize) -> (f64, f64) {
        let element = self.reactors[reactor].element;
        let all = 0..self.elements[element].nodes.len();
        let s = self.element_power(element, all);
        (s.re, s.im)
    }
}
