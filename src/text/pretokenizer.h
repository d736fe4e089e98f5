// Cuts text into the pieces that byte pair encoding works on: steps one after the other, each cutting what the one before made.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/pattern.h"
#include "text/scanners.h"

namespace longhaul {

struct SplitStep {
  std::string expression;
  Scanner scanner = nullptr;                   // when one is known; it leaves nothing between its pieces
  std::optional<Pattern> pattern;              // otherwise
  bool keep_matches = true, keep_rest = true;  // what becomes a piece
};

struct Pretokenizer {
  std::vector<SplitStep> steps;
  bool add_prefix_space = false;  // a text gets a space in front unless it begins with one

  bool needs_scratch() const {
    for (const SplitStep& step : steps) {
      if (!step.scanner) return true;
    }
    return false;
  }

  // Calls sink(piece, readable) for every piece, in order; `readable` bytes may be read from piece.data() on. `scratch` may
  // be null unless needs_scratch(). The text must be UTF-8.
  template <class Sink>
  void split(std::string_view text, Pattern::Scratch* scratch, const Sink& sink) const {
    if (text.empty()) return;
    std::string prefixed;
    if (add_prefix_space && text[0] != ' ') text = prefixed = " " + std::string(text);
    const char* end = text.data() + text.size();
    split_from(0, text, scratch, [&](std::string_view piece) { sink(piece, static_cast<size_t>(end - piece.data())); });
  }

 private:
  template <class Sink>
  void split_from(size_t step, std::string_view text, Pattern::Scratch* scratch, const Sink& sink) const {
    if (step == steps.size()) return sink(text);
    auto next = [&](std::string_view piece) { split_from(step + 1, piece, scratch, sink); };
    if (Scanner scanner = steps[step].scanner) {
      for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        const char* stop = scanner(at, end);
        next({at, static_cast<size_t>(stop - at)});
        at = stop;
      }
    } else {
      split_by_pattern(steps[step], text, *scratch, next);
    }
  }

  template <class Next>
  static void split_by_pattern(const SplitStep& step, std::string_view text, Pattern::Scratch& scratch,
                               const Next& next) {
    for (size_t done = 0; done < text.size();) {
      auto [start, end] = step.pattern->find(text, done, scratch);
      if (start == std::string_view::npos) start = end = text.size();
      if (step.keep_rest && done < start) next(text.substr(done, start - done));
      if (step.keep_matches && start < end) next(text.substr(start, end - start));
      done = end;
    }
  }
};

}  // namespace longhaul
