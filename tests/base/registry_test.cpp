#include "base/registry.h"

#include <gtest/gtest.h>

#include "support.h"

namespace longhaul {
namespace {

using Factory = std::function<int(int)>;

Registry<Factory>& Things() {
  static Registry<Factory> registry("thing");
  return registry;
}

LH_REGISTER(Things, "double", "twice the number", [](int x) { return 2 * x; });
LH_REGISTER(Things, "absolute", "the number, without its sign", [](int x) { return x < 0 ? -x : x; });

TEST(Registry, FindsWhatRegisteredItself) {
  EXPECT_EQ(Things().find("double").make(21), 42);
  EXPECT_EQ(Things().find("absolute").summary, "the number, without its sign");
  EXPECT_EQ(Things().names(), (std::vector<std::string>{"absolute", "double"}));
  EXPECT_TRUE(Things().has("double"));
  EXPECT_FALSE(Things().has("treble"));
}

TEST(Registry, UnknownNamesGetASuggestion) {
  EXPECT_EQ(error_of([] { Things().find("duoble"); }), "unknown thing 'duoble' (did you mean 'double'?)");
  EXPECT_EQ(error_of([] { Things().find("zzz"); }), "unknown thing 'zzz' (there are absolute, double)");
}

TEST(Registry, ANameIsTakenOnce) {
  Registry<Factory> registry("thing");
  registry.add("x", "", nullptr);
  EXPECT_EQ(error_of([&] { registry.add("x", "", nullptr); }), "thing 'x' is registered twice");
}

}  // namespace
}  // namespace longhaul
