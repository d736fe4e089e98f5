// A step of a pre-tokenizer (pretokenizer.h): a change of the text, then cuts.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "text/pattern.h"
#include "text/scanners.h"

namespace longhaul {

// What becomes of the matches of a step, and of what is between them.
enum class SplitBehavior {
  kIsolated,            // each a piece of its own
  kRemoved,             // what is between matches is a piece each
  kMergedWithPrevious,  // a match is the end of the piece before it
  kMergedWithNext,      // a match is the beginning of the piece behind it
  kContiguous,          // matches in a row are one piece
};

// The first match at or behind `from`; start == npos when there is none. The text must be UTF-8.
using Matcher = Pattern::Match (*)(std::string_view text, size_t from);

struct PretokenizerStep {
  std::string meaning;  // its settings, written the same way whatever the file left out
  // First the text is changed: `space`, when not empty, replaces every ' '; `prefix` comes in front unless it is there,
  // of every piece or of the one that begins the text.
  enum class Prefix { kNever, kFirst, kAlways };
  std::string space, prefix;
  Prefix scheme = Prefix::kNever;
  // Then it is cut, by the first of these that is set.
  Scanner scanner = nullptr;  // a known expression whose matches leave nothing between them, isolated
  Matcher matcher = nullptr;
  std::string literal;  // a match is this text
  std::optional<Pattern> pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;   // what is between matches counts as a match, and the matches as what is between
  bool spelled = false;  // behind ByteLevel: what is cut is the spelling of the text's bytes (byte_alphabet.h)

  bool changes_text() const { return !space.empty() || scheme != Prefix::kNever; }
  bool cuts() const { return scanner || matcher || !literal.empty() || pattern; }
  std::string changed(std::string_view text, bool first) const;
  Pattern::Match find(std::string_view text, size_t from, Pattern::Scratch* scratch) const;
};

}  // namespace longhaul
