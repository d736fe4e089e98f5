// The runner of every benchmark: cells = model x method x task x length, each with its samples, into journals that
// resume.
//
// Journal lines, by "kind" (docs of each field: docs/journal.md):
//   run     one a process: when, command, machine, build, and how many samples it wanted of which cell
//   cell    model, method, task, data, length, settings, build, repeat; `reason` when the model refuses the length
//   sample  cell, index, what was asked (identity, ledger), what scoring needs (reference, reply), what it cost
// A sample's key is the hash of its cell's identity (data hash and length included) and its index: together they fix
// the
// prompt. What a journal holds is never asked again.
#pragma once
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "eval/responder.h"
#include "eval/task.h"

namespace longhaul {

struct RunnerOptions {
  std::string command;                                // as the user typed it, for the record
  int64_t repeat = 0;                                 // which repetition of the same question this is
  std::function<bool()> stop = [] { return false; };  // asked between batches; true: flush what is done and return
};

struct RunnerOutcome {
  int64_t wanted = 0, reused = 0, answered = 0;  // samples; answered + reused < wanted after a stop
  bool stopped = false;
  std::vector<std::string> cells;  // keys of the cells asked for, whatever their state
  std::exception_ptr failure;      // what ended the run before its time: the caller's to throw again. None: nothing did
};

// Answers every sample of every cell that its subject's journal lacks. A batch always holds the same samples of a cell,
// also
// when some of them are in the journal already, so an interrupted run ends with the bits of an undisturbed one. What comes before
// the first sample is thrown (two subjects alike, a journal that cannot be written).
RunnerOutcome run_cells(const std::vector<Subject>& subjects, const Task& task, const std::vector<int64_t>& lengths,
                        const RunnerOptions& options);

// A folder's records with `score` added to every sample: recomputed from the stored replies by the task of its cell.
std::vector<Json> read_scored(const std::string& folder);

}  // namespace longhaul
