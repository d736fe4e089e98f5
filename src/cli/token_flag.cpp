#include "cli/token_flag.h"

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

int64_t parse_tokens(const std::string& text, const std::string& flag, int64_t most) {
  const int64_t tokens = parse_length(text, flag);
  check(tokens >= 1 && tokens <= most, flag, ": wanted 1 to ", with_commas(most), ", got ", tokens);
  return tokens;
}

}  // namespace longhaul
