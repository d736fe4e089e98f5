// Templates against what Jinja2 itself gives for them (jinja_cases.jsonl), and what it has no word on: places and limits.
#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "support.h"

namespace longhaul {

namespace {

using jinja::RenderOptions;
using jinja::Template;
using jinja::TemplateError;

// 21 November 2026, 18:05:09, a Saturday.
std::tm clock_of_the_cases() {
  std::tm time{};
  time.tm_year = 126, time.tm_mon = 10, time.tm_mday = 21, time.tm_hour = 18, time.tm_min = 5, time.tm_sec = 9;
  time.tm_wday = 6, time.tm_yday = 324;
  return time;
}

std::string render(const std::string& source, const Json& variables = Json::object(), RenderOptions options = {}) {
  if (!options.clock) options.clock = clock_of_the_cases;
  return Template(source, "t").render(variables, options);
}

// The text, or the error as {"error": ...}.
Json outcome(const std::string& source, const Json& variables) {
  try {
    return render(source, variables);
  } catch (const TemplateError& error) {
    return {{"error", error.reason}};
  }
}

TEST(Jinja, GivesWhatJinja2Gives) {
  Json variables;
  int compared = 0;
  for (const std::string& line : split(read_file(LH_SOURCE_DIR "/tests/text/jinja_cases.jsonl"), '\n')) {
    if (line.empty()) continue;
    const Json one = parse_json(line, "jinja_cases.jsonl");
    if (one.contains("variables")) {
      variables = one["variables"];
      continue;
    }
    const std::string source = one.at("template");
    const Json got = outcome(source, variables);
    ++compared;
    if (one.contains("text"))
      EXPECT_EQ(got, one["text"]) << source;
    else if (one["error"] == "")
      EXPECT_TRUE(got.is_object()) << source << "\nwanted an error, got " << got;
    else
      EXPECT_EQ(got, Json({{"error", one["error"]}})) << source;
  }
  EXPECT_GT(compared, 250);
}

TEST(Jinja, ErrorsNameTheirPlace) {
  EXPECT_EQ(error_of([] { render("a\n  {{ 'é' + missing }}"); }), "t:2:10: 'missing' is undefined");
  EXPECT_EQ(error_of([] { render("{% if 1 %}\n{{ 1 + }}{% endif %}"); }), "t:2:8: unexpected 'end of print statement'");
  EXPECT_EQ(error_of([] { render("ü {{ x|nope }}"); }), "t:1:8: No filter named 'nope'.");
  EXPECT_EQ(error_of([] { render("{% include 'x' %}"); }), "t:1:4: tag 'include' is not supported");
  EXPECT_EQ(error_of([] { render("{% for x in y recursive %}{% endfor %}"); }),
            "t:1:15: recursive loops are not supported");
  EXPECT_EQ(error_of([] { render("{{ [1]|groupby('a') }}"); }), "t:1:8: filter 'groupby' is not supported");
  EXPECT_EQ(error_of([] { render("{{ 'a'.encode() }}"); }), "t:1:7: the method 'encode' of 'str' is not supported");
  EXPECT_EQ(error_of([] { render("{{ joiner() }}"); }), "t:1:4: the global 'joiner' is not supported");
  EXPECT_EQ(error_of([] { render("\xFF"); }), "t: wanted a template in UTF-8, found other bytes");
}

// A filter that does not exist matters inside an if only when it is reached.
TEST(Jinja, AnUnknownFilterInsideAnIfWaits) {
  EXPECT_EQ(render("{% if x %}{{ 1|nope }}{% endif %}ok"), "ok");
  EXPECT_EQ(error_of([] { render("{% if 1 %}{{ 1|nope }}{% endif %}"); }), "t:1:16: No filter named 'nope' found.");
  EXPECT_EQ(error_of([] { render("{% if 1 is nope %}{% endif %}"); }), "t:1:9: No test named 'nope' found.");
  EXPECT_EQ(error_of([] { render("{% if 1 %}{{ [1]|map('nope')|list }}{% endif %}"); }),
            "t:1:18: No filter named 'nope'.");
}

TEST(Jinja, NothingRunsForEver) {
  RenderOptions options;
  options.limits.steps = 1000;
  const std::string nested = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
  EXPECT_TRUE(contains(error_of([&] { render(nested, Json::object(), options); }), "stopped after 1,000 steps"));
  EXPECT_EQ(render("{% for a in range(90) %}x{% endfor %}", Json::object(), options).size(), 90);
  // a long text looked at again and again is work too
  const std::string looks = "{% for a in range(99) %}{{ 'q' in s }}{% endfor %}";
  EXPECT_TRUE(contains(error_of([&] { render(looks, {{"s", std::string(100'000, 'x')}}, options); }), "stopped after"));
}

TEST(Jinja, NothingEatsTheMemory) {
  RenderOptions options;
  options.limits.bytes = 1 << 20;
  auto error = [&](const std::string& source) { return error_of([&] { render(source, Json::object(), options); }); };
  for (const char* source :
       {"{{ 'ab' * 9999999 }}", "{{ [1] * 9999999 }}", "{{ 'a'.center(9999999) }}", "{{ '%9999999d' % 1 }}",
        "{{ '{:9999999}'.format(1) }}", "{{ ('a' * 9999).replace('a', 'b' * 9999) }}",
        "{{ 'a'|indent(9999999, true) }}", "{{ ['']|batch(9999999, 1)|list }}", "{{ []|slice(9999999)|list }}",
        "{{ [[]]|tojson(indent='a' * 999999) }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x='a') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% for i in range(9999) %}{{ 'x' * 999 }}{% endfor %}", "{{ '-'.join(range(99999)|map('string')) * 9 }}"})
    EXPECT_TRUE(contains(error(source), "stopped: ")) << source << "\n" << error(source);
  EXPECT_TRUE(contains(error("{{ 'ab' * 9223372036854775807 }}"), "stopped"))
      << error("{{ 'ab' * 9223372036854775807 }}");
}

TEST(Jinja, NothingOverflowsTheStack) {
  auto error = [](const std::string& source) { return error_of([&] { render(source); }); };
  auto repeated = [](const std::string& part, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += part;
    return out;
  };
  EXPECT_TRUE(contains(error("{{ " + repeated("(", 100'000)), "nested deeper than"));
  EXPECT_TRUE(contains(error("{{ " + repeated("-", 100'000) + "1 }}"), "nested deeper than"));
  EXPECT_TRUE(contains(error("{{ " + repeated("not ", 100'000) + "1 }}"), "nested deeper than"));
  EXPECT_TRUE(contains(error(repeated("{% if 1 %}", 100'000)), "nested deeper than"));
  EXPECT_TRUE(contains(error("{{ 1" + repeated(" + 1", 100'000) + " }}"), "operations on each other"));
  EXPECT_TRUE(contains(error("{{ x" + repeated(".x", 100'000) + " }}"), "operations on each other"));
  EXPECT_TRUE(contains(error("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "called deeper than"));
  EXPECT_TRUE(contains(error("{% set n = namespace(x=1) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}"),
                       "containers nested deeper than"));
  EXPECT_TRUE(contains(error("{% set n = namespace() %}{% set n.n = n %}{{ n }}"), "nested or called deeper than"));
  EXPECT_EQ(render("{{ 1" + repeated(" ~ 1", 5000) + " }}").size(), 5001);  // no nesting
  EXPECT_EQ(render("{{ 1" + repeated(" + 1", 200) + " }}"), "201");
}

TEST(Jinja, TheMachinesClockIsTheDefault) {
  std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  EXPECT_EQ(Template("{{ strftime_now('%Y')|int - " + std::to_string(local.tm_year + 1900) + " <= 1 }}", "t")
                .render(Json::object()),
            "True");
}

TEST(Jinja, VariablesAreChecked) {
  EXPECT_EQ(error_of([] {
              render("x", {{"a", UINT64_MAX}});
            }),
            "t: the variables: wanted an integer of 64 bits, found 18446744073709551615");
  EXPECT_EQ(error_of([] { render("x", {{"a", "\xFF"}}); }), "t: the variables: wanted UTF-8, found a text that is not");
  EXPECT_EQ(error_of([] { render("x", Json::array()); }), "t: wanted an object of variables");
}

}  // namespace

}  // namespace longhaul
