// Regular expressions of tokenizers (PCRE2: UTF-8, Unicode properties, JIT).
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace longhaul {

// Immutable and thread-safe; `Scratch` is one thread's.
class Pattern {
 public:
  // `where` begins the messages. Error when it is no expression, or one that Hugging Face's engine (Oniguruma) reads
  // differently from PCRE2 (\w and \b, whose idea of a word differs).
  Pattern(std::string_view expression, const std::string& where);
  // The expression that matches this text and nothing else.
  static std::string quoted(std::string_view text);

  class Scratch {
   public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

   private:
    friend class Pattern;
    void *match_, *context_, *stack_;
  };
  struct Match {
    size_t start, end;
  };
  // The first match at or behind `from` that is not empty; start == npos when there is none. The text must be UTF-8. Error
  // when matching takes PCRE2 more than its limits (a pathological expression).
  Match find(std::string_view text, size_t from, Scratch& scratch) const;

 private:
  std::shared_ptr<const void> code_;
  std::string where_;
};

}  // namespace longhaul
