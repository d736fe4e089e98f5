#include "base/spec.h"

#include <gtest/gtest.h>

#include <string>

#include "support.h"

namespace longhaul {
namespace {

std::string canonical(std::string_view text) { return Spec::parse(text).text(); }
std::string parse_error(std::string_view text) {
  return error_of([&] { Spec::parse(text); });
}

TEST(Spec, NameAlone) {
  Spec spec = Spec::parse("nope");
  EXPECT_EQ(spec.name(), "nope");
  EXPECT_EQ(spec.text(), "nope");
  EXPECT_FALSE(spec.has("x"));
  spec.finish();
}

TEST(Spec, ReadsEveryTypeAndFallsBack) {
  Spec spec = Spec::parse("decimate:layers=[12,13],base=2k,beta=0.5,keep=true,kind=log,count=-3,one=7");
  EXPECT_EQ(spec.integers("layers", {}), (std::vector<int64_t>{12, 13}));
  EXPECT_EQ(spec.integers("one", {}), std::vector<int64_t>{7});
  EXPECT_EQ(spec.length("base", 0), 2048);
  EXPECT_EQ(spec.number("beta", 0), 0.5);
  EXPECT_TRUE(spec.flag("keep", false));
  EXPECT_EQ(spec.choice("kind", {"log", "power"}, "power"), "log");
  EXPECT_EQ(spec.integer("count", 0), -3);
  EXPECT_EQ(spec.string("absent", "x"), "x");
  EXPECT_EQ(spec.integer("absent", 4), 4);
  EXPECT_EQ(spec.integers("absent", {5}), std::vector<int64_t>{5});
  EXPECT_EQ(spec.choice("absent", {"a", "b"}, "a"), "a");
  EXPECT_FALSE(spec.flag("absent", false));
  spec.finish();
}

TEST(Spec, CanonicalTextSortsKeysDropsSpacesAndReadsBack) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cable", "cable"},
      {" rope : theta = 1e4 ", "rope:theta=1e4"},
      {"a:z=1,b=2", "a:b=2,z=1"},
      {"a:l=[ 1 , 2 ],e=[]", "a:e=[],l=[1,2]"},
      {"dape:base=( kerple : kind = log , a = 1 )", "dape:base=(kerple:a=1,kind=log)"},
      {"a:b=(c:d=(e:g=[1,[2]],f=1))", "a:b=(c:d=(e:f=1,g=[1,[2]]))"},
      {"self-extend:group=8,window=512+log-n", "self-extend:group=8,window=512+log-n"},
      {"folder/tokenizer.json", "folder/tokenizer.json"},
      {"a:path=x:y z", "a:path=x:y z"}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(canonical(text), expected) << text;
    EXPECT_EQ(canonical(expected), expected) << text;
  }
}

TEST(Spec, NestedSpecsReadLikeAnyOther) {
  Spec spec = Spec::parse("dape:base=(kerple:kind=log)");
  Spec base = spec.nested("base", "alibi");
  spec.finish();
  EXPECT_EQ(base.name(), "kerple");
  EXPECT_EQ(base.string("kind"), "log");
  base.finish();
  EXPECT_EQ(Spec::parse("dape:base=rope").nested("base", "alibi").name(), "rope");
  EXPECT_EQ(Spec::parse("dape").nested("base", "(alibi:x=1)").text(), "alibi:x=1");
}

TEST(Spec, BadGrammarNamesTheColumn) {
  EXPECT_EQ(parse_error(""), "'', column 1: wanted a name, found the end");
  EXPECT_EQ(parse_error("a:"), "'a:', column 3: wanted a key, found the end");
  EXPECT_EQ(parse_error("a:b"), "'a:b', column 4: wanted '=', found the end");
  EXPECT_EQ(parse_error("a:b="), "'a:b=', column 5: wanted a value, found the end");
  EXPECT_EQ(parse_error("a:b=,c=1"), "'a:b=,c=1', column 5: wanted a value, found ','");
  EXPECT_EQ(parse_error("a:b=1,"), "'a:b=1,', column 7: wanted a key, found the end");
  EXPECT_EQ(parse_error("a:b=1,b=2"), "'a:b=1,b=2', column 7: wanted each key once, found 'b' again");
  EXPECT_EQ(parse_error("a:b=[1,2"), "'a:b=[1,2', column 9: wanted ']', found the end");
  EXPECT_EQ(parse_error("a:b=1]"), "'a:b=1]', column 6: wanted the end, found ']'");
  EXPECT_EQ(parse_error("a:b=(c"), "'a:b=(c', column 7: wanted ')', found the end");
  EXPECT_EQ(parse_error("a:b=(c]"), "'a:b=(c]', column 7: wanted ')', found ']'");
  EXPECT_EQ(parse_error("a:b=c=d"), "'a:b=c=d', column 6: wanted the end, found '='");
  EXPECT_EQ(parse_error("a b:c"), "'a b:c', column 6: wanted '=', found the end");
  EXPECT_EQ(parse_error("a,b"), "'a,b', column 2: wanted the end, found ','");
  EXPECT_EQ(parse_error("a:b=[1]x"), "'a:b=[1]x', column 8: wanted the end, found 'x'");
}

TEST(Spec, DepthIsBounded) {
  EXPECT_TRUE(contains(parse_error("a:b=" + std::string(100'000, '[')), "wanted at most 32 nested brackets"));
  EXPECT_EQ(parse_error("a:b=" + std::string(31, '[') + "1" + std::string(31, ']')), "no error");
}

TEST(Spec, WrongValuesNameTheKey) {
  Spec spec = Spec::parse("cable:n=x,f=maybe,c=5,l=[1,b]");
  EXPECT_EQ(error_of([&] { spec.integer("n", 0); }), "cable: n: wanted an integer, found 'x'");
  EXPECT_EQ(error_of([&] { spec.number("n", 0); }), "cable: n: wanted a finite number, found 'x'");
  EXPECT_EQ(error_of([&] { spec.flag("f", true); }), "cable: f: wanted true or false, found 'maybe'");
  EXPECT_EQ(error_of([&] { spec.choice("c", {"6", "7"}, "6"); }), "cable: c: wanted one of 6, 7, found '5'");
  EXPECT_EQ(error_of([&] { spec.integers("l", {}); }), "cable: l: wanted an integer, found 'b'");
  EXPECT_EQ(error_of([&] { spec.string("absent"); }), "cable: wanted the setting 'absent=...', found none");
}

TEST(Spec, KeysThatNobodyReadAreErrorsWithASuggestion) {
  Spec typo = Spec::parse("cable:variannt=5");
  typo.string("variant", "");
  EXPECT_EQ(error_of([&] { typo.finish(); }), "cable: unknown key 'variannt' (did you mean 'variant'?)");
  Spec far = Spec::parse("cable:zzz=5");
  far.string("variant", "");
  far.number("scale", 1);
  EXPECT_EQ(error_of([&] { far.finish(); }), "cable: unknown key 'zzz'; it takes scale, variant");
  EXPECT_EQ(error_of([] { Spec::parse("nope:x=1").finish(); }), "nope: unknown key 'x'; it takes no settings");
}

TEST(Spec, ListsAreSplitWhereASpecBegins) {
  EXPECT_EQ(split_specs("rope"), std::vector<std::string>{"rope"});
  EXPECT_EQ(split_specs("rope,cable:variant=nw,eps=1,alibi"),
            (std::vector<std::string>{"rope", "cable:variant=nw,eps=1", "alibi"}));
  EXPECT_EQ(split_specs("dape:base=(cable:variant=nw,eps=1),v=2,x:layers=[1,2]"),
            (std::vector<std::string>{"dape:base=(cable:variant=nw,eps=1),v=2", "x:layers=[1,2]"}));
}

}  // namespace
}  // namespace longhaul
