// Cuts text into the pieces that a model works on: steps one after the other, each working on what the one before made.
// The pre_tokenizer of a tokenizer.json, by the rules of Hugging Face's `tokenizers`.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/pretokenizer_step.h"

namespace longhaul {

class Pretokenizer {
 public:
  Pretokenizer() = default;  // one piece
  // Error, naming the piece, when it is broken or not supported.
  Pretokenizer(const Json& piece, const std::string& where);

  bool byte_level() const { return byte_level_; }  // the model's tokens are spelled-out bytes (byte_alphabet.h)
  bool needs_scratch() const;
  // True when a piece ends before every ' ' that stands behind something that is no space, and the pieces behind it are
  // what they would be in a text that begins there.
  bool cuts_before_spaces() const {
    return steps_.size() == 1 && steps_[0].scanner && steps_[0].space.empty() && !steps_[0].spelled;
  }
  std::string meaning() const { return meaning_; }

  // Calls sink(piece, readable) for every piece, in order; `readable` bytes may be read from piece.data() on. `first`:
  // the text begins a whole text. `scratch` may be null unless needs_scratch(). The text must be UTF-8.
  template <class Sink>
  void split(std::string_view text, bool first, Pattern::Scratch* scratch, const Sink& sink) const {
    if (!text.empty()) split_from(0, text, text.data() + text.size(), first, scratch, sink);
  }

 private:
  void add_step(const Json& piece, const std::string& where);

  template <class Sink>
  void split_from(size_t number, std::string_view text, const char* end, bool first, Pattern::Scratch* scratch,
                  const Sink& sink) const {
    if (number == steps_.size()) return sink(text, static_cast<size_t>(end - text.data()));
    const PretokenizerStep& step = steps_[number];
    if (!step.changes_text()) return cut(number, text, end, first, scratch, sink);
    std::string changed = step.changed(text, first);
    cut(number, changed, changed.data() + changed.size(), first, scratch, sink);
  }

  template <class Sink>
  void cut(size_t number, std::string_view text, const char* end, bool first, Pattern::Scratch* scratch,
           const Sink& sink) const {
    const PretokenizerStep& step = steps_[number];
    auto next = [&](std::string_view piece) {
      split_from(number + 1, piece, end, first && piece.data() == text.data(), scratch, sink);
    };
    if (!step.spelled) return cut_text(step, text, scratch, next);
    const std::string spelling = spelling_of_all(text);
    const char* at = spelling.data();
    size_t bytes = 0;  // of the text, whose spelling is before `at`
    cut_text(step, spelling, scratch, [&](std::string_view piece) {
      const size_t begin = bytes + characters_in(at, piece.data());
      at = piece.data() + piece.size();
      bytes = begin + characters_in(piece.data(), at);
      next(text.substr(begin, bytes - begin));
    });
  }
  static std::string spelling_of_all(std::string_view bytes);
  static size_t characters_in(const char* begin, const char* end);

  template <class Next>
  static void cut_text(const PretokenizerStep& step, std::string_view text, Pattern::Scratch* scratch,
                       const Next& next) {
    if (step.scanner) {
      for (const char *at = text.data(), *stop = at + text.size(); at < stop;) {
        const char* behind = step.scanner(at, stop);
        next({at, static_cast<size_t>(behind - at)});
        at = behind;
      }
    } else if (step.cuts()) {
      cut_at_matches(step, text, scratch, next);
    } else {
      next(text);
    }
  }

  // Every match and everything between two is a stretch; the behaviour says which stretches stand together.
  template <class Next>
  static void cut_at_matches(const PretokenizerStep& step, std::string_view text, Pattern::Scratch* scratch,
                             const Next& next) {
    Joiner<Next> joiner{step.behavior, text, next};
    for (size_t done = 0; done < text.size();) {
      auto [start, end] = step.find(text, done, scratch);
      if (start == std::string_view::npos) start = end = text.size();
      if (done < start) joiner.add(done, start, step.invert);
      if (start < end) joiner.add(start, end, !step.invert);
      done = end;
    }
    joiner.flush();
  }

  template <class Next>
  struct Joiner {
    SplitBehavior behavior;
    std::string_view text;
    const Next& next;
    size_t start = 0, end = 0;  // a piece that may still grow; none when they are equal
    bool after_match = false;

    void add(size_t from, size_t to, bool match) {
      if (behavior == SplitBehavior::kRemoved && match) return;
      bool joins = behavior == SplitBehavior::kContiguous           ? match == after_match
                   : behavior == SplitBehavior::kMergedWithPrevious ? match && !after_match
                   : behavior == SplitBehavior::kMergedWithNext     ? !match && after_match
                                                                    : false;
      if (!joins) flush();
      if (start == end) start = from;
      end = to;
      after_match = match;
    }
    void flush() {
      if (start < end) next(text.substr(start, end - start));
      start = end;
    }
  };

  std::vector<PretokenizerStep> steps_;
  std::string meaning_;
  bool byte_level_ = false;
};

}  // namespace longhaul
