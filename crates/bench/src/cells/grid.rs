//! M2: reads and puts in several mixtures, by few and by many, small and large.

use anyhow::Result;

use super::{Bench, Figures};
use crate::connection::Answer;
use crate::load::{self, Plan};
use crate::workload::{Keys, Puts, Ranges, Request, Work};

/// Reads for so many writes, as in etcd's own heat maps.
const MIXTURES: [(&str, u64, u64); 3] = [("1/128", 1, 128), ("1", 1, 1), ("128", 128, 1)];
const CONNECTIONS: [usize; 2] = [32, 256];
const VALUES: [usize; 2] = [256, 4096];
/// Both are drawn from so many keys.
const KEYS: u64 = 5000;

/// So many reads, then so many puts, over and over.
struct Mixture {
    blocks: Vec<Vec<u8>>,
    reads: Ranges,
    puts: Puts,
    of: (u64, u64),
    made: u64,
}

/// Tag of a put; reads are tagged with the number of their key.
const PUT: u64 = u64::MAX;

impl Work for Mixture {
    fn blocks(&self) -> &[Vec<u8>] {
        &self.blocks
    }

    fn next(&mut self, request: &mut Request) {
        let (reads, puts) = self.of;
        let read = self.made % (reads + puts) < reads;
        self.made += 1;
        request.block = usize::from(!read);
        if read {
            self.reads.next(request);
        } else {
            self.puts.next(request);
            request.tag = PUT;
        }
    }

    fn check(&mut self, answer: &Answer<'_>) -> bool {
        if answer.tag == PUT { self.puts.check(answer) } else { self.reads.check(answer) }
    }
}

/// Calls a second in every field of the grid, closed loop.
pub(super) fn mixtures(bench: &mut Bench<'_>) -> Result<Figures> {
    let mut all = Figures::new();
    for bytes in VALUES {
        bench.fill(KEYS, bytes)?;
        for (name, reads, puts) in MIXTURES {
            for connections in CONNECTIONS {
                let reading = Ranges::new(7, false, KEYS, bytes);
                let putting = Puts::new(9, bytes, Keys::Among(KEYS));
                let blocks = vec![reading.blocks()[0].clone(), putting.blocks()[0].clone()];
                let (of, made) = ((reads, puts), 0);
                let mut work = Mixture { blocks, reads: reading, puts: putting, of, made };
                let plan = Plan::closed(connections, connections, bench.scale.measured / 2);
                let outcome = load::run(&bench.at(), &mut work, plan)?.all_right()?;
                let field = format!("{bytes} B, reads for a put {name}, {connections} clients");
                all.insert(format!("{field}: ops per second"), outcome.rate());
            }
        }
    }
    Ok(all)
}
