//! What happens while a solve runs: progress on stderr, and Ctrl-C.
//!
//! An iteration is asked to stop after its step, and its answer so far is reported as interrupted. A decomposition cannot be
//! stopped; there the report is written without an answer, and the program ends. A second Ctrl-C ends it at once.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::ops::ControlFlow;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wellposed::Step;

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// What Ctrl-C is to do: one signal arrives at one process, so that there is one such state.
static PHASE: Mutex<Phase> = Mutex::new(Phase::Idle);

/// What is going on.
pub enum Phase {
    /// Nothing that would be lost.
    Idle,
    /// A decomposition, or an iteration before its first step: this writes the report without an answer.
    Computing(Box<dyn FnOnce() + Send>),
    /// An iteration: it looks at the flag.
    Iterating,
    /// Files are being written; they are completed first.
    Writing,
}

fn phase() -> MutexGuard<'static, Phase> {
    // what a panicking thread leaves here is a whole value
    PHASE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says what is going on from here on.
pub fn enter(next: Phase) {
    *phase() = next;
}

/// Whether Ctrl-C was pressed.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Catches Ctrl-C. Where the system does not permit that, Ctrl-C ends the program as it always does.
pub fn install() {
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            process::exit(130);
        }
        // held to the end, so that nothing is written beside the report
        let mut phase = phase();
        match std::mem::replace(&mut *phase, Phase::Writing) {
            Phase::Idle => process::exit(130),
            Phase::Computing(report) => {
                report();
                process::exit(130);
            }
            now @ (Phase::Iterating | Phase::Writing) => *phase = now,
        }
    });
}

/// Before this, a bar would only flicker.
const QUIET_START: Duration = Duration::from_millis(400);
/// Often enough to look alive; the steps of a small problem would otherwise wait for the terminal.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(100);
/// Parts of a bar.
const PARTS: u64 = 1000;

/// The observer of a solve.
pub struct Watch {
    bar: Option<ProgressBar>,
    started: Instant,
    next_drawing: Duration,
    visible: bool,
    goal: Goal,
    best: f64,
}

/// How far an iteration goes.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Until the relative gradient is this small.
    Tolerance(f64),
    /// So many steps.
    Steps(usize),
}

impl Watch {
    /// Draws on stderr if that is a terminal and `quiet` is not set.
    pub fn new(goal: Goal, quiet: bool) -> Self {
        Self { bar: None, started: Instant::now(), next_drawing: QUIET_START, visible: !quiet, goal, best: 1.0 }
    }

    /// After a step.
    pub fn step(&mut self, step: &Step) -> ControlFlow<()> {
        // once for each right-hand side
        if step.index == 1 {
            enter(Phase::Iterating);
            self.best = 1.0;
        }
        self.best = self.best.min(step.normal_residual);
        let now = self.started.elapsed();
        if self.visible && now >= self.next_drawing {
            self.next_drawing = now + BETWEEN_DRAWINGS;
            let position = self.position(step.index);
            let bar = self.bar.get_or_insert_with(new_bar);
            bar.set_message(format!("step {}, gradient {:.1e}, residual {:.3e}", step.index, step.normal_residual, step.residual_norm));
            bar.set_position(position);
        }
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn position(&self, index: usize) -> u64 {
        let part = match self.goal {
            // the gradient falls about linearly in its logarithm
            Goal::Tolerance(tolerance) => self.best.max(f64::MIN_POSITIVE).ln() / tolerance.max(f64::EPSILON).ln(),
            Goal::Steps(steps) => index as f64 / steps.max(1) as f64,
        };
        (part.clamp(0.0, 1.0) * PARTS as f64).round() as u64
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar() -> ProgressBar {
    // it draws nothing where stderr is not a terminal
    let bar = ProgressBar::with_draw_target(Some(PARTS), ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(
        ProgressStyle::with_template("{elapsed:>4} [{bar:20}] {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_runs_from_nothing_to_all() {
        let mut watch = Watch::new(Goal::Tolerance(1e-8), true);
        assert_eq!(watch.position(0), 0);
        watch.best = 1e-4;
        assert_eq!(watch.position(5), PARTS / 2);
        watch.best = 0.0;
        assert_eq!(watch.position(9), PARTS);
        assert_eq!(Watch::new(Goal::Steps(0), true).position(7), PARTS);
        assert_eq!(Watch::new(Goal::Steps(10), true).position(7), 7 * PARTS / 10);
    }
}
