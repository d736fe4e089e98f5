// The files a report writes: every model is in each, values are those of the board, markup is well-formed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/files.h"
#include "base/strings.h"
#include "report/chart.h"
#include "report/export.h"
#include "report/made_up.h"
#include "report/page.h"
#include "report/table.h"
#include "support.h"

namespace longhaul {
namespace {

ReportContent content() {
  TrainingLog log{"tiny-rope", {{0, 5.5}, {1, 5.0}, {2, 4.5}}, {{2, 4.6}}, 1000};
  return {collect_results(made_up_records(three_models())), {log}, "longhaul report <runs>"};
}

// Opening and closing tags match, attributes are quoted, nothing foreign is unescaped.
void expect_well_formed(const std::string& html) {
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    size_t end = html.find('>', at);
    ASSERT_NE(end, std::string::npos);
    std::string tag = html.substr(at + 1, end - at - 1);
    if (tag.starts_with('!')) continue;
    std::string name = split(tag.starts_with('/') ? tag.substr(1) : tag, ' ').front();
    if (tag.starts_with('/')) {
      ASSERT_FALSE(open.empty());
      ASSERT_EQ(open.back(), name) << html.substr(at, 80);
      open.pop_back();
    } else if (name != "meta" && !tag.ends_with('/')) {
      open.push_back(name);
    }
    ASSERT_EQ(std::count(tag.begin(), tag.end(), '"') % 2, 0) << tag;
  }
  EXPECT_TRUE(open.empty());
}

// RFC 4180, one field at a time.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, {""});
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"' && quoted && text[i + 1] == '"')
      rows.back().back() += text[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      rows.back().emplace_back();
    else if (c == '\n' && !quoted)
      rows.push_back({""});
    else
      rows.back().back() += c;
  }
  rows.pop_back();
  return rows;
}

TEST(ReportFiles, CsvHasTheBoardsValues) {
  ReportContent made = content();
  std::vector<std::vector<std::string>> rows = parse_csv(results_csv(made.results));
  ASSERT_EQ(rows.size(), 10u);
  std::map<std::string, size_t> column;
  for (size_t i = 0; i < rows[0].size(); ++i) column[rows[0][i]] = i;
  for (size_t i = 1; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].size(), rows[0].size());
    const Row& row = made.results.boards[0].rows[(i - 1) / 3];
    const CellResult& cell = *row.at(parse_integer(rows[i][column["length"]], "length"));
    EXPECT_EQ(rows[i][column["model"]], row.path);
    EXPECT_EQ(parse_number(rows[i][column["perplexity"]], "p"), cell.perplexity().mean);
    EXPECT_EQ(parse_number(rows[i][column["loss_se"]], "p"), cell.loss.error);
    EXPECT_EQ(parse_number(rows[i][column["bits_per_byte"]], "p"), cell.bits_per_byte.mean);
  }
}

TEST(ReportFiles, JsonHasTheHarnesssKeysAndTheBoardsValues) {
  ReportContent made = content();
  Json json = Json::parse(results_json(made).dump());
  const Json& models = json.at("boards").at(0).at("models");
  ASSERT_EQ(models.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const Row& row = made.results.boards[0].rows[i];
    EXPECT_EQ(models[i].at("config").at("model_args"), row.path);
    EXPECT_EQ(models[i].at("results").at("perplexity_block_512").at("perplexity,none"), row.at(512)->perplexity().mean);
    EXPECT_EQ(models[i].at("n-samples").at("perplexity_block_512").at("effective"), 2);
  }
  EXPECT_EQ(json.at("boards").at(0).at("paired_differences").size(), 6u);
  EXPECT_EQ(json.at("runs").size(), 1u);
}

TEST(ReportFiles, MarkdownNamesEveryModel) {
  std::string text = results_markdown(content());
  for (const char* name : {"tiny-rope", "tiny-alibi", "<tiny> & \"cable\""})
    EXPECT_NE(text.find(std::string("| ") + name), std::string::npos) << name;
  EXPECT_NE(text.find("128\\*"), std::string::npos);
}

TEST(ReportFiles, PageIsWellFormedSelfContainedAndEscaped) {
  std::string html = render_page(content());
  expect_well_formed(html);
  for (const char* name : {"tiny-rope", "tiny-alibi", "&lt;tiny&gt; &amp; &quot;cable&quot;",
                           "longhaul report &lt;runs&gt;", "datahash", "abc123"})
    EXPECT_NE(html.find(name), std::string::npos) << name;
  EXPECT_EQ(html.find("<tiny>"), std::string::npos);
  for (const char* fetch : {"http://", "https://", "src=", "@import", "url("})
    EXPECT_EQ(html.find(fetch), std::string::npos) << fetch;
  EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
  EXPECT_NE(html.find("trained at 128"), std::string::npos);
}

TEST(ReportFiles, APageOfTrainingAloneAndOneOfNothingAreWhole) {
  ReportContent made = content();
  made.results = {};
  expect_well_formed(render_page(made));
  expect_well_formed(render_page({}));
}

TEST(Charts, TicksAreRound) {
  EXPECT_EQ(axis_ticks(128, 1024, AxisKind::length), (std::vector<double>{128, 256, 512, 1024}));
  EXPECT_EQ(axis_ticks(4, 20, AxisKind::log), (std::vector<double>{5, 7, 10, 15, 20}));
  std::vector<double> ticks = axis_ticks(0.3, 2.9, AxisKind::linear);
  ASSERT_EQ(ticks.size(), 5u);
  EXPECT_NEAR(ticks[0], 0.5, 1e-12);
  EXPECT_EQ(axis_text(2048, AxisKind::length), "2k");
  EXPECT_EQ(axis_text(0.5, AxisKind::linear), "0.5");
  std::vector<std::string> texts;
  for (const auto& [value, text] : axis_labels(2.7, 3.3, AxisKind::linear)) texts.push_back(text);
  EXPECT_EQ(texts, (std::vector<std::string>{"2.7", "2.8", "2.9", "3.0", "3.1", "3.2", "3.3"}));
  EXPECT_EQ(axis_labels(0, 1000, AxisKind::linear).back().second, "1,000");
}

TEST(Charts, SvgHasEverySeriesAndOneModelAtOneLengthStillHasAnAxis) {
  std::string svg = render_svg(perplexity_chart(content().results.boards[0]));
  expect_well_formed(svg);
  for (const char* part :
       {"series s0", "series s1", "series s2", "class=\"band\"", "class=\"mark\"", "class=\"beyond\""})
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  std::string lone =
      render_svg(perplexity_chart(collect_results(made_up_records({{"a", "rope", "1", "", {{1.5}}}})).boards[0]));
  expect_well_formed(lone);
  EXPECT_EQ(lone.find("nan"), std::string::npos);
  EXPECT_EQ(lone.find("inf"), std::string::npos);
}

TEST(Charts, PlotFilesAreWrittenByTheirEnding) {
  TemporaryFolder folder;
  Chart chart = perplexity_chart(content().results.boards[0]);
  const std::map<std::string, std::string> magic{{"it's a plot.png", "\x89PNG"}, {"p.svg", "<?xml"}, {"p.pdf", "%PDF"}};
  for (const auto& [name, bytes] : magic) {
    plot_file(chart, folder / name);
    EXPECT_TRUE(read_file(folder / name).starts_with(bytes)) << name;
  }
  EXPECT_NE(read_file(folder / "p.svg").find("tiny-alibi"), std::string::npos);
  EXPECT_EQ(list_files(folder.path()).size(), 3u);
  EXPECT_THROW(plot_file(chart, folder / "p.gif"), Error);
}

TEST(Charts, AMissingGnuplotIsOneClearError) {
  std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  std::string message = error_of([] { plot_file(perplexity_chart(content().results.boards[0]), "p.png"); });
  setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(contains(message, "wanted the program gnuplot")) << message;
}

}  // namespace
}  // namespace longhaul
