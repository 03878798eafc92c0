//! Who runs and how long it takes: one lap is one pass over the whole corpus.
//!
//! A lap has the thread's own processor time beside the time on the wall. Neighbours on the machine lengthen the second;
//! the first only suffers what they do to caches and clock speed.

use crate::contestant::Contestant;
use crate::corpus::Document;
use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What one pass over the corpus took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lap {
    /// Processor time: of the thread, or of the whole child process with its collector and compiler threads.
    pub(crate) cpu: Duration,
    /// Time on the wall.
    pub(crate) wall: Duration,
}

/// Somebody who can be timed.
pub(crate) trait Racer {
    /// As the table names it.
    fn name(&self) -> &str;

    /// One output for each document; `None` for a floor.
    ///
    /// # Errors
    /// If a document is refused or a child process fails.
    fn answers(&mut self) -> anyhow::Result<Option<Vec<Vec<u8>>>>;

    /// One timed pass over the corpus.
    ///
    /// # Errors
    /// If a document is refused or a child process fails.
    fn lap(&mut self) -> anyhow::Result<Lap>;

    /// Laps before the first that counts.
    fn warm_up(&self) -> usize;

    /// Microseconds on another 2-core machine.
    fn orientation(&self) -> Option<f64>;
}

/// A contestant in this process, with the corpus and the buffer that it writes to.
pub(crate) struct InProcess<'a> {
    contestant: Box<dyn Contestant>,
    corpus: &'a [Document],
    out: Vec<u8>,
}

impl<'a> InProcess<'a> {
    pub(crate) fn new(contestant: Box<dyn Contestant>, corpus: &'a [Document]) -> Self {
        Self { contestant, corpus, out: Vec::new() }
    }

    /// One pass without a watch.
    ///
    /// # Errors
    /// If a document is refused.
    pub(crate) fn pass(&mut self) -> anyhow::Result<()> {
        for document in self.corpus {
            self.out.clear();
            self.contestant.translate(black_box(document), &mut self.out)?;
            black_box(&self.out);
        }
        Ok(())
    }
}

impl Racer for InProcess<'_> {
    fn name(&self) -> &str {
        self.contestant.name()
    }

    fn answers(&mut self) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        if !self.contestant.answers() {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(self.corpus.len());
        for (number, document) in self.corpus.iter().enumerate() {
            let mut out = Vec::new();
            let name = self.contestant.name();
            let done = self.contestant.translate(document, &mut out);
            done.with_context(|| format!("{name} refuses referral {number}"))?;
            all.push(out);
        }
        Ok(Some(all))
    }

    fn lap(&mut self) -> anyhow::Result<Lap> {
        let (wall, cpu) = (now(), thread_time());
        self.pass()?;
        Ok(Lap { cpu: thread_time().saturating_sub(cpu), wall: wall.elapsed() })
    }

    fn warm_up(&self) -> usize {
        3
    }

    fn orientation(&self) -> Option<f64> {
        self.contestant.orientation()
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the machine's time; nothing is decided by it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Processor time of this thread since it began.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
