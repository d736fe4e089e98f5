#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "support.h"

namespace longhaul {
namespace {

// The message when `read` is applied to a reader over `text`, a file called config.json.
template <class Read>
std::string message(const std::string& text, const Read& read) {
  Json json = parse_json(text, "config.json");
  return error_of([&] {
    JsonReader reader(json, "config.json");
    read(reader);
  });
}

TEST(Json, ReadsTypedValues) {
  Json json =
      parse_json(R"({"n": 4, "x": 1.5, "i": 2, "b": true, "s": "text", "l": [1, 2], "o": {"n": 7}, "any": null})", "t");
  JsonReader reader(json, "t");
  EXPECT_EQ(reader.integer("n", 1), 4);
  EXPECT_EQ(reader.integer_or("absent", 9, 1), 9);
  EXPECT_EQ(reader.integer_or("n", 9, 1, 4), 4);
  EXPECT_EQ(reader.number("x"), 1.5);
  EXPECT_EQ(reader.number("i"), 2.0);
  EXPECT_EQ(reader.number_or("absent", 0.5), 0.5);
  EXPECT_TRUE(reader.boolean_or("b", false));
  EXPECT_TRUE(reader.boolean_or("absent", true));
  EXPECT_EQ(reader.string("s"), "text");
  EXPECT_EQ(reader.string_or("absent", "x"), "x");
  EXPECT_EQ(reader.integers("l", 0), (std::vector<int64_t>{1, 2}));
  JsonReader inner = reader.object("o");
  EXPECT_EQ(inner.integer("n", 0), 7);
  inner.finish();
  EXPECT_TRUE(reader.value("any").is_null());
  reader.finish();
}

TEST(Json, MessagesSayWhereWhatWasWantedAndWhatWasFound) {
  auto layers = [](JsonReader& r) { r.integer("n_layer", 1); };
  EXPECT_EQ(message(R"({"n_layer": "4"})", layers), R"(config.json: n_layer: wanted an integer > 0, found "4")");
  EXPECT_EQ(message(R"({"n_layer": 0})", layers), "config.json: n_layer: wanted an integer > 0, found 0");
  EXPECT_EQ(message(R"({"n_layer": 4.0})", layers), "config.json: n_layer: wanted an integer > 0, found 4.0");
  EXPECT_EQ(message(R"({"n_layer": 18446744073709551615})", layers),
            "config.json: n_layer: wanted an integer > 0, found 18446744073709551615");
  EXPECT_EQ(message("{}", layers), "config.json: n_layer: wanted an integer > 0, found no such key");
  EXPECT_EQ(message("[1]", layers), "config.json: wanted an object, found [1]");
  EXPECT_EQ(message(R"({"n": -1})", [](JsonReader& r) { r.integer("n", 0); }),
            "config.json: n: wanted an integer >= 0, found -1");
  EXPECT_EQ(message(R"({"n": 9})", [](JsonReader& r) { r.integer_or("n", 1, 0, 8); }),
            "config.json: n: wanted an integer in [0, 8], found 9");
  EXPECT_EQ(message(R"({"x": "1"})", [](JsonReader& r) { r.number_or("x", 0); }),
            R"(config.json: x: wanted a number, found "1")");
  EXPECT_EQ(message(R"({"b": 1})", [](JsonReader& r) { r.boolean_or("b", true); }),
            "config.json: b: wanted true or false, found 1");
  EXPECT_EQ(message(R"({"s": null})", [](JsonReader& r) { r.string_or("s", ""); }),
            "config.json: s: wanted a string, found null");
  EXPECT_EQ(message(R"({"l": [1, -2]})", [](JsonReader& r) { r.integers("l", 1); }),
            "config.json: l: wanted a list, each an integer > 0, found [1,-2]");
  EXPECT_EQ(message(R"({"rope": {"theta": "x"}})", [](JsonReader& r) { r.object("rope").number("theta"); }),
            R"(config.json: rope.theta: wanted a number, found "x")");
  EXPECT_EQ(message(R"({"n": ")" + std::string(1000, 'x') + R"("})", [](JsonReader& r) { r.integer("n", 0); }),
            "config.json: n: wanted an integer >= 0, found \"" + std::string(59, 'x') + " ...");
}

TEST(Json, KeysInObjectsAreOnePath) {
  auto read = [](JsonReader& r) {
    JsonReader inner = r.object("rope").object("scaling");
    inner.number_or("factor", 1);
    inner.finish();
  };
  EXPECT_EQ(message(R"({"rope": {"scaling": {"factr": 1}}})", read),
            "config.json: unknown key 'rope.scaling.factr' (did you mean 'factor'?)");
  EXPECT_EQ(message(R"({"rope": {"scaling": 1}})", read), "config.json: rope.scaling: wanted an object, found 1");
}

TEST(Json, KeysThatNobodyReadAreErrors) {
  auto read = [](JsonReader& r) {
    r.integer_or("n_layer", 1, 1);
    r.string_or("label", "");
    r.ignore("loader");
    r.finish();
  };
  EXPECT_EQ(message(R"({"n_layer": 1, "loader": {}})", read), "no error");
  EXPECT_EQ(message(R"({"n_layr": 1})", read), "config.json: unknown key 'n_layr' (did you mean 'n_layer'?)");
  EXPECT_EQ(message(R"({"qqq": 1, "lable": 2})", read),
            "config.json: unknown keys 'qqq', 'lable' (did you mean 'label'?)");
}

TEST(Json, ReadsWhatPythonWrites) {
  Json json = parse_python_json(
      R"({"a": [0.0, Infinity], "b": -Infinity, "c": NaN, "d": "Infinity \" NaN", "e": {"__float__": "Infinity"}, "f": null})",
      "t");
  JsonReader reader(json, "t");
  EXPECT_EQ(reader.numbers("a"), (std::vector<double>{0, INFINITY}));
  EXPECT_EQ(reader.number("b"), -INFINITY);
  EXPECT_TRUE(std::isnan(reader.number("c")));
  EXPECT_EQ(reader.string("d"), "Infinity \" NaN");
  EXPECT_EQ(reader.number("e"), INFINITY);
  EXPECT_FALSE(reader.is_set("f"));
  EXPECT_FALSE(reader.is_set("g"));
  reader.finish();
  EXPECT_EQ(parse_json(json.dump(), "again"), json);  // what is written is JSON
  EXPECT_EQ(message(R"({"x": {"__float__": "Many"}})", [](JsonReader& r) { r.number("x"); }),
            R"(config.json: x: wanted a number, found {"__float__":"Many"})");
  EXPECT_EQ(message(R"({"x": [1, "2"]})", [](JsonReader& r) { r.numbers("x"); }),
            R"(config.json: x: wanted a list of numbers, found [1,"2"])");
  EXPECT_EQ(message(R"({"x": [1]})", [](JsonReader& r) { r.strings("x"); }),
            "config.json: x: wanted a list of strings, found [1]");
}

TEST(Json, MessagesShowBareFloatsAsTheFileHasThem) {
  const Json json = parse_python_json(
      R"({"n": NaN, "l": [1, -Infinity, Infinity], "s": "{\"__float__\":\"NaN\"}", "o": NaN})", "config.json");
  JsonReader reader(json, "config.json");
  EXPECT_EQ(error_of([&] { reader.integer("n", 1); }), "config.json: n: wanted an integer > 0, found NaN");
  EXPECT_EQ(error_of([&] { reader.integers("l", 0); }),
            "config.json: l: wanted a list, each an integer >= 0, found [1,-Infinity,Infinity]");
  EXPECT_EQ(error_of([&] { reader.number("s"); }),
            R"(config.json: s: wanted a number, found "{\"__float__\":\"NaN\"}")");
  EXPECT_EQ(error_of([&] { reader.object("o"); }), "config.json: o: wanted an object, found NaN");
}

TEST(Json, WhatIsNotJsonSaysTheByte) {
  auto parse = [](const std::string& text) { return error_of([&] { parse_json(text, "a.json"); }); };
  EXPECT_TRUE(contains(parse(R"({"a": })"), "a.json: not JSON at byte 7: ")) << parse(R"({"a": })");
  EXPECT_TRUE(contains(parse(""), "a.json: not JSON at byte 1: "));
  EXPECT_TRUE(contains(parse("{} x"), "a.json: not JSON at byte 4: "));
  EXPECT_TRUE(contains(parse("\"\xff\""), "a.json: not JSON at byte 2: "));
  EXPECT_TRUE(contains(parse("[1e999]"), "a.json: not JSON: "));
  EXPECT_EQ(parse(std::string("{}\0{", 4)), "a.json: not JSON at byte 3: a zero byte");
  for (const char* bad : {"nan", "{'a': 1}", "{\"a\": 1,}", "[1 2]", "{\"a\"", "\"", "\"\\"}) {
    EXPECT_TRUE(contains(parse(bad), "a.json: not JSON at byte ")) << bad;
    EXPECT_EQ(parse(bad).find('\n'), std::string::npos) << bad;
  }
}

TEST(Json, NestingIsBounded) {
  auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of([&] { parse_json(nested(256), "a"); }), "no error");
  EXPECT_TRUE(contains(error_of([&] { parse_json(nested(257), "a"); }), "a: not JSON at byte 257: wanted at most 256"));
  EXPECT_NE(error_of([&] { parse_json(std::string(1'000'000, '['), "a"); }), "no error");
  // Brackets in strings do not nest, escaped quotes do not end a string.
  EXPECT_EQ(error_of([&] { parse_json("[\"" + std::string(1000, '[') + "\\\"[[\"]", "a"); }), "no error");
}

TEST(Json, FilesKeepTheOrderOfKeys) {
  TemporaryFolder folder;
  Json json = {{"z", 1}, {"a", {{"y", 0.1}, {"b", "\u00e9"}}}, {"m", {1, 2}}};
  write_json(folder / "x.json", json);
  EXPECT_EQ(read_json(folder / "x.json").dump(), R"({"z":1,"a":{"y":0.1,"b":"é"},"m":[1,2]})");
  EXPECT_EQ(read_file(folder / "x.json").back(), '\n');
  EXPECT_TRUE(contains(error_of([&] { write_json(folder / "y.json", "\xff"); }), "y.json: cannot be written as JSON"));
  EXPECT_FALSE(exists(folder / "y.json"));
  write_file(folder / "bad.json", "{");
  EXPECT_TRUE(contains(error_of([&] { read_json(folder / "bad.json"); }), "bad.json: not JSON at byte "));
}

}  // namespace
}  // namespace longhaul
