#include "report/page.h"

#include "base/error.h"
#include "base/strings.h"
#include "report/chart.h"
#include "report/finding.h"
#include "report/table.h"

namespace longhaul {

namespace {

std::string text_of(const Json& object, const char* key) {
  if (!object.contains(key)) return "";
  return object[key].is_string() ? object[key].get<std::string>() : object[key].dump();
}

std::string element(const char* tag, const std::string& text) {
  return str("<", tag, ">", html_escape(text), "</", tag, ">");
}

// Lines do not end inside of names such as tiny-rope.
std::string unbroken(const std::string& text) {
  std::string out;
  for (const std::string& word : split(text, ' ')) {
    bool hyphen = word.find('-') != std::string::npos;
    out +=
        str(out.empty() ? "" : " ", hyphen ? "<span class=\"word\">" : "", html_escape(word), hyphen ? "</span>" : "");
  }
  return out;
}

// What was measured on what, in one sentence.
std::string lede(const Board& board) {
  std::string text = "Protocol " + board.protocol() + " on split " + text_of(board.data, "split") + " of " +
                     text_of(board.data, "folder");
  int64_t targets = board.data.value("targets", int64_t{0});
  if (targets > 0) text += ": the same " + with_commas(targets) + " targets at every length";
  return text + ". Tokenizer " + text_of(board.data, "tokenizer") + ", " + text_of(board.settings, "dtype") + ".";
}

std::string cards(const Board& board, const Finding& finding) {
  std::string out = "<div class=\"cards\">\n";
  for (const RowFinding& row : finding.rows) {
    size_t series = 0;
    while (series < board.rows.size() && board.rows[series].name != row.name) ++series;
    const char* symbol = row.verdict == Verdict::holds ? "●" : row.verdict == Verdict::drifts ? "▲" : "■";
    out += str("<div class=\"card s", series % chart_colours().size(), "\"><div class=\"name\"><span>",
               html_escape(row.name), "</span><span class=\"verdict ", verdict_word(row.verdict), "\">", symbol, " ",
               verdict_word(row.verdict), "</span></div><div class=\"position\">", html_escape(row.position),
               "</div><div class=\"figures\">", figure(row.before), "<span class=\"arrow\">→</span>", figure(row.after),
               "</div><div class=\"lengths\">perplexity at ", format_length(row.from), " and ", format_length(row.to),
               " tokens</div></div>\n");
  }
  return out + "</div>\n";
}

std::string plot(const Chart& chart, const std::string& caption) {
  if (chart.series.empty()) return "";
  return "<figure class=\"plot\">" + render_svg(chart) + "<figcaption>" + html_escape(caption) +
         "</figcaption></figure>\n";
}

std::string perplexity_caption(const Board& board) {
  std::string text =
      "Perplexity by length of the window, both axes logarithmic. Bands: 95 % confidence of the mean loss over ";
  text += has_seed_groups(board) || board.rows.empty() || board.rows.front().seeds == 1 ? "windows" : "seeds";
  std::vector<int64_t> trained = board.trained_lengths();
  if (trained.size() == 1) text += "; lengths beyond the trained " + format_length(trained.front()) + " are shaded";
  return text + ".";
}

std::string board_body(const Board& board, const Finding& finding) {
  int64_t longest = board.lengths.empty() ? 0 : board.lengths.back();
  std::string out = finding.rows.empty() ? "" : cards(board, finding);
  out += plot(perplexity_chart(board), perplexity_caption(board));
  out += html_table(perplexity_table(board));
  if (has_seed_groups(board)) out += html_table(perplexity_table(merge_seeds(board)));
  out += "<h2>Where in the window the loss is</h2>\n";
  out +=
      plot(position_chart(board, longest),
           "Mean loss of the targets by how many tokens of context they had, in windows of " + format_length(longest) +
               ": each point covers contexts down to half its own. A model that uses its context falls to the right; "
               "the first points hold few targets.");
  out += "<h2>Bits per byte, differences, cost</h2>\n" + html_table(bits_table(board));
  Table differences = difference_table(board);
  if (!differences.rows.empty()) out += html_table(differences);
  return out + html_table(cost_table(board));
}

std::string pair(const char* name, const std::string& value) {
  return value.empty() ? "" : element("dt", name) + element("dd", value);
}

std::string run_details(const Json& run) {
  const Json empty = Json::object();
  const Json &build = run.contains("build") ? run["build"] : empty,
             &machine = run.contains("machine") ? run["machine"] : empty;
  std::string out = "<details><summary><code>" + html_escape(text_of(run, "command")) + "</code><span class=\"when\">" +
                    html_escape(text_of(run, "started")) + "</span></summary><dl>";
  out += pair("build", text_of(build, "version") + " " + text_of(build, "commit") + " " + text_of(build, "build_type"));
  out += pair("compiler", text_of(build, "compiler") + " " + text_of(build, "flags"));
  out += pair("machine",
              text_of(machine, "host") + ": " + text_of(machine, "cpu") + ", " + text_of(machine, "cores") + " cores");
  out += pair("system", text_of(machine, "os") + " " + text_of(machine, "simd"));
  return out + "</dl></details>\n";
}

std::string manifest(const ReportContent& content) {
  std::string out = "<h2>Manifest</h2>\n<p>What is needed to do it again.</p>\n<dl>";
  for (const Board& board : content.results.boards) {
    out += pair("data", text_of(board.data, "folder") + ", hash " + text_of(board.data, "data") + ", split " +
                            text_of(board.data, "split") + " of " +
                            with_commas(board.data.value("split_tokens", int64_t{0})) + " tokens");
    for (const Row& row : board.rows)
      out += pair(row.name.c_str(), row.path + ": " + row.label + ", " + row.position + ", " +
                                        with_commas(row.parameters) + " parameters" +
                                        (row.seed.empty() ? "" : ", seed " + row.seed));
  }
  out += pair("this page", content.command) + "</dl>\n";
  for (const Json& run : content.results.runs) out += run_details(run);
  return out;
}

std::string training_section(const std::vector<TrainingLog>& logs) {
  if (logs.empty()) return "";
  return "<h2>Training</h2>\n" + plot(training_chart(logs), "Training loss, means over pieces of each run.") +
         html_table(training_table(logs));
}

}  // namespace

std::string render_page(const ReportContent& content) {
  std::string body, title = "Training runs";
  for (const Board& board : content.results.boards) {
    Finding finding = finding_of(board);
    bool first = body.empty();
    if (first) title = finding.headline;
    body += (first ? "<h1>" : "<h2>") + unbroken(finding.headline) + (first ? ".</h1>\n" : ".</h2>\n");
    body += "<p class=\"lede\">" + html_escape(lede(board)) + "</p>\n" + board_body(board, finding);
  }
  if (body.empty()) body = "<h1>Training runs</h1>\n";
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
         "content=\"width=device-width, initial-scale=1\">\n"
         "<title>" +
         html_escape(title) + "</title>\n<style>" + page_style() +
         "</style>\n</head>\n<body>\n<main>\n"
         "<p class=\"eyebrow\">longhaul · perplexity by length</p>\n" +
         body + training_section(content.training) + manifest(content) +
         "<footer>Every figure on this page is recomputed from the samples in the runs' "
         "journals.</footer>\n</main>\n</body>\n</html>\n";
}

}  // namespace longhaul
