//! The methods on Golub and Kahan's process as iterations: one right-hand side, many in blocks, many dampings from one space.
//!
//! A [`Recurrence`] turns the columns of the bidiagonal matrix into x. It belongs to one right-hand side and one damping, and it
//! does not know where the columns come from: so several of them follow one process (L = I: the Krylov space is the same for every
//! damping), or each its own among the columns of a block, which share the products. They stop one by one, on the driver's
//! conditions; x is then verified, and if need be corrected, by the ordinary loop for its column alone.

use super::golub_kahan::{Begun, Process, Scalars};
use super::{Driver, Fault, Iteration, Outcome, Progress, Start, State, System, Until};
use crate::error::Result;
use crate::linalg::{Threads, norm};
use crate::method::Iterative;
use crate::scalar::{Real, Scalar};
use crate::step::Observer;

/// From the columns of the bidiagonal matrix to x.
pub(crate) trait Recurrence<T: Scalar> {
    /// The method's name.
    fn name() -> &'static str;
    /// All vectors, x = 0.
    fn new(unknowns: usize, variances: bool, threads: Threads) -> Self;
    /// Starts from where x is: β₁, α₁, and v₁ as a multiple of `direction`.
    fn restart(&mut self, damping: T::Real, beta: T::Real, alpha: T::Real, direction: &[T], scale: T::Real);
    /// One step, with the next β, α and v.
    fn advance(&mut self, beta: T::Real, alpha: T::Real, direction: &[T], scale: T::Real, operator_norm: T::Real) -> Progress;
    fn x(&self) -> &[T];
    /// ‖x‖ after a step, which knows it without a pass of its own.
    fn solution_norm(&self) -> T::Real;
    fn x_mut(&mut self) -> &mut [T];
    /// ‖r̂‖.
    fn residual_norm(&self) -> T::Real;
    /// ‖Âᴴr̂‖.
    fn normal_norm(&self) -> T::Real;
    /// A lower bound of the condition number of Â.
    fn condition(&self) -> T::Real;
    /// What belongs to one run of the process is complete.
    fn freeze(&mut self);
    /// x, and variances where they were asked for.
    fn into_answer(self) -> (Vec<T>, Option<Vec<T::Real>>);
}

/// One right-hand side.
struct Bidiagonal<'a, T: Scalar, R> {
    system: System<'a, T>,
    process: Process<'a, T>,
    recurrence: R,
    begun: Begun<T::Real>,
    /// Nothing has been done since the residual was computed.
    fresh: bool,
    /// A step has been made, since the first residual.
    stepped: bool,
    reference: T::Real,
    solution_norm: T::Real,
    penalty_norm: T::Real,
    guessed: bool,
    /// Lx, for an observer.
    image: Vec<T>,
}

impl<'a, T: Scalar, R: Recurrence<T>> Bidiagonal<'a, T, R> {
    /// At x = 0, or at the guess.
    fn init(system: &System<'a, T>, guess: Option<&[T]>, options: &Iterative) -> core::result::Result<Self, Fault> {
        let recurrence = R::new(system.a.shape().1, options.wants_variances(), system.threads);
        let mut new = Self::around(system, recurrence, options);
        new.begun = new.process.begin()?;
        new.reference = new.process.scalars(0).gradient_norm;
        new.restart();
        if let Some(guess) = guess
            && new.reference > T::Real::ZERO
        {
            new.guessed = true;
            new.recurrence.x_mut().copy_from_slice(guess);
            new.replace()?;
        }
        Ok(new)
    }

    /// Around a recurrence that has its x already; the residual is still to be computed.
    fn around(system: &System<'a, T>, recurrence: R, options: &Iterative) -> Self {
        let zero = T::Real::ZERO;
        Self {
            system: *system,
            process: Process::new(system, options.reorthogonalizes()),
            solution_norm: norm(recurrence.x()),
            recurrence,
            begun: Begun { residual_norm: zero, penalty_norm: zero, damping: zero },
            fresh: false,
            stepped: false,
            reference: zero,
            penalty_norm: zero,
            guessed: false,
            image: Vec::new(),
        }
    }

    fn restart(&mut self) {
        let scalars = self.process.scalars(0);
        self.recurrence.restart(self.begun.damping, scalars.beta, scalars.alpha, self.process.direction(0), scalars.scale());
        self.penalty_norm = self.begun.penalty_norm;
        self.fresh = true;
    }
}

/// Where a recurrence stands by its own numbers. `damping` is what it adds, and 0 before the first step, where it has rounded
/// nothing yet: taken for part of ‖Â‖ there, a large one would end the iteration at once.
fn state_of<T: Scalar, R: Recurrence<T>>(
    recurrence: &R,
    scalars: &Scalars<T::Real>,
    damping: T::Real,
    reference: T::Real,
    penalty_norm: T::Real,
    solution_norm: T::Real,
) -> State {
    let stacked = recurrence.residual_norm();
    let penalty = if penalty_norm < stacked { penalty_norm } else { stacked };
    State {
        residual_norm: ((stacked - penalty).sqrt() * (stacked + penalty).sqrt()).to_f64(),
        stacked_norm: stacked.to_f64(),
        normal_norm: (recurrence.normal_norm() * scalars.unit).to_f64(),
        reference: reference.to_f64(),
        solution_norm: solution_norm.to_f64(),
        // the errors of the recursion are those of its own units
        operator_norm: norm(&[scalars.operator_norm.larger(scalars.process_norm * scalars.unit), damping]).to_f64(),
        condition: recurrence.condition().to_f64(),
        guessed: false,
    }
}

impl<T: Scalar, R: Recurrence<T>> Iteration for Bidiagonal<'_, T, R> {
    fn name(&self) -> &'static str {
        R::name()
    }

    fn epsilon(&self) -> f64 {
        T::Real::EPSILON.to_f64()
    }

    fn step(&mut self) -> core::result::Result<Progress, Fault> {
        self.process.step()?;
        let scalars = self.process.scalars(0);
        let operator_norm = norm(&[scalars.process_norm, self.begun.damping]);
        let progress = self.recurrence.advance(scalars.beta, scalars.alpha, self.process.direction(0), scalars.scale(), operator_norm);
        (self.fresh, self.stepped) = (false, true);
        self.solution_norm = match progress {
            Progress::Moved => self.recurrence.solution_norm(),
            Progress::NoDirection => norm(self.recurrence.x()),
        };
        if self.system.l.is_none() {
            self.penalty_norm = self.system.d * self.solution_norm;
        }
        Ok(progress)
    }

    fn replace(&mut self) -> core::result::Result<(), Fault> {
        self.solution_norm = norm(self.recurrence.x());
        finite_solution(self.solution_norm)?;
        self.begun =
            if self.solution_norm == T::Real::ZERO { self.process.begin()? } else { self.process.begin_at(self.recurrence.x())? };
        if !self.fresh {
            self.recurrence.freeze();
        }
        self.restart();
        Ok(())
    }

    fn observe(&mut self) -> State {
        if let Some(l) = self.system.l.filter(|_| !self.fresh && self.system.d > T::Real::ZERO) {
            self.image.resize(l.shape().0, T::ZERO);
            l.apply(self.recurrence.x(), &mut self.image);
            self.penalty_norm = self.system.d * l.range_norm(&self.image);
        }
        let state = self.state();
        match self.system.length {
            Some(length) => State { solution_norm: length(self.recurrence.x()).to_f64(), ..state },
            None => state,
        }
    }

    fn state(&self) -> State {
        let scalars = self.process.scalars(0);
        let damping = if self.stepped { self.begun.damping } else { T::Real::ZERO };
        let state = state_of::<T, R>(&self.recurrence, scalars, damping, self.reference, self.penalty_norm, self.solution_norm);
        if !self.fresh {
            return State { guessed: self.guessed, ..state };
        }
        State {
            residual_norm: self.begun.residual_norm.to_f64(),
            stacked_norm: norm(&[self.begun.residual_norm, self.begun.penalty_norm]).to_f64(),
            normal_norm: scalars.gradient_norm.to_f64(),
            operator_norm: norm(&[scalars.operator_norm, damping]).to_f64(),
            guessed: self.guessed,
            ..state
        }
    }
}

fn finite_solution<R: Real>(norm: R) -> core::result::Result<(), Fault> {
    if norm.finite() { Ok(()) } else { Err(Fault::NonFinite("the iterate x or its residual")) }
}

/// One right-hand side.
pub(super) fn solve<T: Scalar, R: Recurrence<T>>(
    system: &System<'_, T>,
    guess: Option<&[T]>,
    until: Until,
    options: &Iterative,
    start: Start,
    observer: Option<&mut Observer<'_>>,
) -> Result<Outcome<T>> {
    let mut iteration = Bidiagonal::<T, R>::init(system, guess, options).map_err(|fault| fault.at(0))?;
    system.check_reference(iteration.reference, R::name())?;
    let (stop, steps) = Driver::new(iteration.epsilon(), until).run(&mut iteration, observer)?;
    Ok(outcome(iteration, stop, steps, start))
}

fn outcome<T: Scalar, R: Recurrence<T>>(
    iteration: Bidiagonal<'_, T, R>,
    stop: crate::step::Stop,
    steps: usize,
    start: Start,
) -> Outcome<T> {
    let state = iteration.state();
    let (x, variances) = iteration.recurrence.into_answer();
    Outcome {
        x,
        stop,
        steps,
        residual_norm: state.residual_norm,
        normal_residual: state.normal_residual(),
        condition: Some(state.condition),
        variances: variances.map(|all| all.into_iter().map(Real::to_f64).collect()),
        start,
    }
}

/// One recurrence among several.
struct Member<T: Scalar, R> {
    recurrence: R,
    driver: Driver,
    reference: T::Real,
    damping: T::Real,
    /// Its place in the answer.
    place: usize,
}

impl<T: Scalar, R: Recurrence<T>> Member<T, R> {
    /// Takes the step that the process has made. Whether it goes on.
    fn advance(&mut self, process: &Process<'_, T>, column: usize) -> core::result::Result<bool, Fault> {
        let scalars = process.scalars(column);
        let operator_norm = norm(&[scalars.process_norm, self.damping]);
        match self.recurrence.advance(scalars.beta, scalars.alpha, process.direction(column), scalars.scale(), operator_norm) {
            Progress::NoDirection => Ok(false),
            Progress::Moved => {
                self.driver.count();
                finite_solution(self.recurrence.residual_norm() + self.recurrence.normal_norm())?;
                Ok(true)
            }
        }
    }

    /// Whether its own numbers say that it has done what it can.
    fn settled(&mut self, process: &Process<'_, T>, column: usize) -> bool {
        // the norm of x matters after a residual has been computed only
        let zero = T::Real::ZERO;
        let damping = if self.driver.index() > 0 { self.damping } else { zero };
        let state = state_of::<T, R>(&self.recurrence, process.scalars(column), damping, self.reference, zero, zero);
        self.reference == zero || self.driver.settled(&state) || self.driver.at_limit()
    }

    /// x is verified, and corrected if need be, by itself.
    fn finish(self, system: &System<'_, T>, options: &Iterative) -> Result<Outcome<T>> {
        let Self { recurrence, driver, reference, .. } = self;
        let mut iteration = Bidiagonal::around(system, recurrence, options);
        (iteration.reference, iteration.stepped) = (reference, driver.index() > 0);
        iteration.replace().map_err(|fault| fault.at(driver.index()))?;
        let (stop, steps) = driver.resume(&mut iteration)?;
        Ok(outcome(iteration, stop, steps, Start::Zero))
    }
}

/// Many right-hand sides: each with its own process and recurrence, one block product a step; those that are done drop out.
pub(super) fn block<T: Scalar, R: Recurrence<T>>(system: &System<'_, T>, until: Until, options: &Iterative) -> Result<Vec<Outcome<T>>> {
    let (k, n, m) = (system.columns, system.a.shape().1, system.a.shape().0);
    let mut process = Process::new(system, options.reorthogonalizes());
    let begun = process.begin().map_err(|fault| fault.at(0))?;
    let mut running = Vec::with_capacity(k);
    for place in 0..k {
        let scalars = process.scalars(place);
        system.check_reference(scalars.gradient_norm, R::name())?;
        let mut recurrence = R::new(n, options.wants_variances(), system.threads);
        recurrence.restart(begun.damping, scalars.beta, scalars.alpha, process.direction(place), scalars.scale());
        let driver = Driver::new(T::Real::EPSILON.to_f64(), until);
        running.push(Member { recurrence, driver, reference: scalars.gradient_norm, damping: begun.damping, place });
    }
    let mut done: Vec<Option<Member<T, R>>> = (0..k).map(|_| None).collect();
    let mut step = 0;
    loop {
        for column in (0..running.len()).rev() {
            if running[column].settled(&process, column) {
                retire(&mut running, &mut process, column, &mut done);
            }
        }
        if running.is_empty() {
            break;
        }
        step += 1;
        process.step().map_err(|fault| fault.at(step))?;
        for column in (0..running.len()).rev() {
            if !running[column].advance(&process, column).map_err(|fault| fault.at(step))? {
                retire(&mut running, &mut process, column, &mut done);
            }
        }
    }
    drop(process);
    let one = |place: usize| System { b: &system.b[place * m..(place + 1) * m], columns: 1, ..*system };
    done.into_iter().enumerate().filter_map(|(place, member)| Some(member?.finish(&one(place), options))).collect()
}

/// Takes a member out of the block.
fn retire<T: Scalar, R: Recurrence<T>>(
    running: &mut Vec<Member<T, R>>,
    process: &mut Process<'_, T>,
    column: usize,
    done: &mut [Option<Member<T, R>>],
) {
    let member = running.swap_remove(column);
    process.remove(column);
    let place = member.place;
    done[place] = Some(member);
}

/// Many dampings for one right-hand side: one process, a recurrence for each. The damping of the system is not read; it must be one
/// that the recurrences add ([`System::shifts`]).
pub(super) fn path<T: Scalar, R: Recurrence<T>>(
    system: &System<'_, T>,
    dampings: &[T::Real],
    until: Until,
    options: &Iterative,
) -> Result<Vec<Outcome<T>>> {
    let n = system.a.shape().1;
    let plain = System { d: T::Real::ZERO, ..*system };
    let mut process = Process::new(&plain, options.reorthogonalizes());
    process.begin().map_err(|fault| fault.at(0))?;
    let scalars = process.scalars(0);
    system.check_reference(scalars.gradient_norm, R::name())?;
    let member = |(place, &damping): (usize, &T::Real)| {
        let mut recurrence = R::new(n, options.wants_variances(), system.threads);
        recurrence.restart(damping, scalars.beta, scalars.alpha, process.direction(0), scalars.scale());
        let driver = Driver::new(T::Real::EPSILON.to_f64(), until);
        Member { recurrence, driver, reference: scalars.gradient_norm, damping, place }
    };
    let mut running: Vec<Member<T, R>> = dampings.iter().enumerate().map(member).collect();
    let mut done: Vec<Option<Member<T, R>>> = dampings.iter().map(|_| None).collect();
    let mut retire = |running: &mut Vec<Member<T, R>>, k: usize| {
        let member = running.swap_remove(k);
        let place = member.place;
        done[place] = Some(member);
    };
    let mut step = 0;
    loop {
        for k in (0..running.len()).rev() {
            if running[k].settled(&process, 0) {
                retire(&mut running, k);
            }
        }
        if running.is_empty() {
            break;
        }
        step += 1;
        process.step().map_err(|fault| fault.at(step))?;
        for k in (0..running.len()).rev() {
            if !running[k].advance(&process, 0).map_err(|fault| fault.at(step))? {
                retire(&mut running, k);
            }
        }
    }
    drop(process);
    let one = |place: usize| System { d: dampings[place], ..*system };
    done.into_iter().enumerate().filter_map(|(place, member)| Some(member?.finish(&one(place), options))).collect()
}
