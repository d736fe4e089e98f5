#include "eval/protocol.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr int64_t kUpstreamWindows = 1000;  // specs/cable.md section 5, the single-GPU script

int64_t common_multiple(const std::vector<int64_t>& lengths) {
  int64_t multiple = 1;
  for (int64_t length : lengths) {
    int64_t factor = length / std::gcd(multiple, length), product = 0;
    check(!__builtin_mul_overflow(multiple, factor, &product),
          "block: the least common multiple of the lengths is beyond 2^63");
    multiple = product;
  }
  return multiple;
}

Protocol block(const std::vector<int64_t>& lengths, int64_t targets) {
  int64_t multiple = common_multiple(lengths);
  check(targets >= multiple, "block: wanted at least ", with_commas(multiple),
        " targets (the least common multiple of the lengths, so that every length scores the same ones), found ",
        with_commas(targets));
  Protocol protocol{"protocol=block", 0, targets / multiple * multiple, {}, {}};
  protocol.count = [n = protocol.targets](int64_t length) { return n / length; };
  protocol.window = [](int64_t index, int64_t length) { return Window{index * length, length, 0}; };
  return protocol;
}

Protocol stride(const std::vector<int64_t>& lengths, int64_t targets, int64_t step) {
  int64_t shortest = lengths.front(), longest = lengths.back();
  check(step >= 1 && step <= shortest, "stride: wanted 1 to ", shortest, " (the shortest length), found ", step);
  for (int64_t length : lengths)
    check(length % step == shortest % step, "stride: wanted lengths that are equal modulo the stride ", step,
          " (so that every length scores the same targets), found ", shortest, " and ", length);
  check(targets >= longest, "stride: wanted at least ", with_commas(longest), " targets (the longest length), found ",
        with_commas(targets));
  Protocol protocol{str("protocol=stride,stride=", step), 0, longest + (targets - longest) / step * step, {}, {}};
  protocol.count = [n = protocol.targets, step](int64_t length) { return 1 + (n - length) / step; };
  protocol.window = [step](int64_t index, int64_t length) {
    return Window{index * step, length, index == 0 ? 0 : length - step};
  };
  return protocol;
}

Protocol last_k(const std::vector<int64_t>& lengths, int64_t targets, int64_t k) {
  int64_t period = lengths.back();
  check(k >= 1 && k <= lengths.front(), "last-k: wanted 1 to ", lengths.front(), " (the shortest length), found ", k);
  check(targets >= period, "last-k: wanted at least ", with_commas(period), " targets (the longest length), found ",
        with_commas(targets));
  int64_t windows = targets / period;
  Protocol protocol{str("protocol=last-k,last-k=", k), period, windows * k, {}, {}};
  protocol.count = [windows](int64_t) { return windows; };
  protocol.window = [period, k](int64_t index, int64_t length) {
    return Window{(index + 1) * period - length, length, length - k};
  };
  return protocol;
}

Protocol upstream(const std::vector<int64_t>& lengths, int64_t targets) {
  check(targets >= lengths.back(), "upstream: wanted at least ", with_commas(lengths.back()),
        " targets (the longest length), found ", with_commas(targets));
  Protocol protocol{"protocol=upstream", 0, 0, {}, {}};
  protocol.count = [targets](int64_t length) { return std::min(targets / length, kUpstreamWindows); };
  protocol.window = [](int64_t index, int64_t length) { return Window{index * length, length, 0}; };
  return protocol;
}

}  // namespace

Protocol make_protocol(Spec& spec, const std::vector<int64_t>& lengths, int64_t targets) {
  check(!lengths.empty(), "perplexity: wanted at least one length, found none");
  std::string name = spec.choice("protocol", {"block", "stride", "last-k", "upstream"}, "block");
  if (name == "stride") return stride(lengths, targets, spec.length("stride", 0));
  if (name == "last-k") return last_k(lengths, targets, spec.length("last-k", 0));
  return name == "upstream" ? upstream(lengths, targets) : block(lengths, targets);
}

std::string protocol_keys(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos) return "protocol=" + text;
  return "protocol=" + text.substr(0, equals) + "," + text;
}

}  // namespace longhaul
