// What one rendering may cost: a template from the net can neither hang nor eat the memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul::jinja {

struct Limits {
  int64_t steps = 10'000'000;          // expressions and statements evaluated, and 256 bytes or items looked at
  int64_t bytes = int64_t{256} << 20;  // of all texts and lists that are made on the way, the output among them
  int depth = 800;                     // evaluations inside each other: nesting, and calls of macros
};

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}
  void step() {
    if (++steps_ > limits_.steps) fail("stopped after ", with_commas(limits_.steps), " steps");
  }
  // Looks at so many bytes or items.
  void look(size_t count) {
    steps_ += static_cast<int64_t>(count >> 8);
    step();
  }
  // Called before so many bytes are made.
  void make(size_t bytes) {
    check(bytes <= static_cast<size_t>(limits_.bytes - bytes_), "stopped: the texts and lists made on the way exceed ",
          human_bytes(static_cast<double>(limits_.bytes)));
    bytes_ += static_cast<int64_t>(bytes);
  }
  // Called before `count` times `each` bytes are made.
  void make(size_t count, size_t each) {
    size_t bytes = 0;
    check(!__builtin_mul_overflow(count, each, &bytes), "stopped: a text or list too long for any machine");
    make(bytes);
  }

 private:
  friend class Nesting;
  Limits limits_;
  int64_t steps_ = 0, bytes_ = 0;
  int depth_ = 0;
};

// Held by what calls itself, for as long as it runs.
class Nesting {
 public:
  explicit Nesting(Budget& budget) : budget_(budget) {
    check(budget_.depth_ < budget_.limits_.depth, "stopped: nested or called deeper than ", budget_.limits_.depth);
    ++budget_.depth_;
  }
  ~Nesting() { --budget_.depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Budget& budget_;
};

}  // namespace longhaul::jinja
