#include "report/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/strings.h"

namespace longhaul {

namespace {

constexpr size_t kMostColumns = 7;  // of a page's table with figures and errors side by side

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// The one trained length of all rows, 0 when they differ.
int64_t common_trained_length(const Board& board) {
  std::vector<int64_t> lengths = board.trained_lengths();
  return lengths.size() == 1 ? lengths.front() : 0;
}

// Columns model, lengths...; `entry` spells a cell that has windows.
template <class Entry>
Table by_length(const Board& board, const std::string& title, const Entry& entry) {
  Table table{title, {"model"}, {}, {}};
  int64_t common = common_trained_length(board);
  bool starred = false, partial = false;
  for (int64_t length : board.lengths) {
    if (length == common) table.highlighted = table.columns.size();
    starred |= length == common;
    table.columns.push_back(format_length(length) + (length == common ? "*" : ""));
  }
  for (const Row& row : board.rows) {
    std::vector<std::string> line{row.name};
    for (int64_t length : board.lengths) {
      const CellResult* cell = row.at(length);
      std::string text = cell ? entry(row, *cell) : "-";
      bool star = cell && common == 0 && length == row.trained_length, part = cell && !cell->complete();
      line.push_back(text + (star ? "*" : "") + (part ? "†" : ""));
      starred |= star;
      partial |= part;
    }
    table.rows.push_back(line);
  }
  if (starred) table.notes.push_back("* trained length");
  if (partial) table.notes.push_back("† not all windows are done: the same command goes on");
  return table;
}

void add_reasons(const Board& board, Table& table) {
  for (const Row& row : board.rows)
    for (const auto& [length, cell] : row.cells)
      if (!cell.reason.empty())
        table.notes.push_back(str("- ", row.name, " at ", format_length(length), ": ", cell.reason));
}

std::string error_unit(const Board& board) {
  for (const Row& row : board.rows)
    if (row.seeds > 1) return "over seeds";
  return "over windows";
}

// Columns of a text table are counted in characters, not bytes.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string figure(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "not finite" : value > 0 ? "inf" : "-inf";
  double size = std::abs(value);
  if (size >= 1e7) return printed("%.3g", value);
  if (size >= 1000) return with_commas(std::llround(value));
  return fixed(value, size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

std::string with_error(const Estimate& estimate) {
  if (!std::isfinite(estimate.mean) || !std::isfinite(estimate.error) || estimate.error <= 0)
    return figure(estimate.mean);
  if (std::abs(estimate.mean) >= 1e7) return printed("%.3g", estimate.mean) + " ± " + printed("%.1g", estimate.error);
  int digits = estimate.error < 0.01 ? 1 : 2;
  int decimals = std::clamp(digits - 1 - static_cast<int>(std::floor(std::log10(estimate.error))), 0, 6);
  return fixed(estimate.mean, decimals) + " ± " + fixed(estimate.error, decimals);
}

Table perplexity_table(const Board& board) {
  Table table = by_length(board, "Perplexity (± one standard error " + error_unit(board) + ")",
                          [](const Row&, const CellResult& cell) { return with_error(cell.perplexity()); });
  add_reasons(board, table);
  return table;
}

Table bits_table(const Board& board) {
  bool unknown = false;
  Table table = by_length(board, "Bits per byte (± one standard error " + error_unit(board) + ")",
                          [&](const Row&, const CellResult& cell) -> std::string {
                            bool counted = std::isfinite(cell.bits_per_byte.mean) || !std::isfinite(cell.loss.mean);
                            unknown = unknown || !counted;
                            return counted ? with_error(cell.bits_per_byte) : "unknown";
                          });
  if (unknown) table.notes.push_back("unknown: the data does not say its tokenizer, and --tokenizer did not name it");
  return table;
}

Table difference_table(const Board& board) {
  if (board.rows.size() < 2) return {};
  const Row& base = board.rows.front();
  Board others = board;
  others.rows.erase(others.rows.begin());
  Table table = by_length(
      others, "Loss minus that of " + base.name + " on the same windows (nats per token ± one standard error; t)",
      [&](const Row&, const CellResult& cell) -> std::string {
        const CellResult* first = base.at(cell.length);
        if (!first) return "-";
        Estimate difference = paired_difference(cell, *first);
        if (!std::isfinite(difference.error) || difference.error == 0) return with_error(difference);
        return with_error(difference) + " (" + fixed(difference.t(), std::abs(difference.t()) < 10 ? 1 : 0) + ")";
      });
  table.two_lines = true;
  table.notes.push_back("below zero: better than " + base.name + "; in brackets t, the difference over its error");
  return table;
}

Table cost_table(const Board& board) {
  Table table{"Cost at each model's longest length",
              {"model", "position", "parameters", "length", "tokens/s", "peak memory", "attention tiles skipped"},
              {},
              {}};
  for (const Row& row : board.rows) {
    const CellResult* cell = nullptr;
    for (int64_t length : board.lengths)
      if (row.at(length)) cell = row.at(length);
    if (!cell) continue;
    table.rows.push_back({row.name, row.position, with_commas(row.parameters), format_length(cell->length),
                          figure(cell->tokens / cell->seconds), human_bytes(cell->peak_rss_bytes),
                          std::isfinite(cell->skip_rate) ? fixed(100 * cell->skip_rate, 1) + " %" : "-"});
  }
  return table;
}

Table training_table(const std::vector<TrainingLog>& logs) {
  Table table{"Training", {"run", "steps", "last loss", "last validation loss", "tokens/s"}, {}, {}};
  for (const TrainingLog& log : logs)
    table.rows.push_back({log.name, with_commas(log.steps()), log.loss.empty() ? "-" : figure(log.loss.back().value),
                          log.validation.empty() ? "-" : figure(log.validation.back().value),
                          log.tokens_per_second > 0 ? figure(log.tokens_per_second) : "-"});
  return table;
}

std::string text_table(const Table& table) {
  std::vector<std::vector<std::string>> lines{table.columns};
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  std::vector<size_t> widths(table.columns.size(), 0);
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  std::string out = table.title + "\n";
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      std::string pad(widths[i] - width_of(line[i]), ' ');
      out += i == 0 ? line[i] + pad : "  " + pad + line[i];
    }
    out += "\n";
  }
  for (const std::string& note : table.notes) out += note + "\n";
  return out;
}

std::string markdown_table(const Table& table) {
  auto line = [](const std::vector<std::string>& cells) {
    std::string out = "|";
    for (const std::string& cell : cells) {
      out += " ";
      for (char c : cell) out += c == '|' ? "\\|" : c == '*' ? "\\*" : std::string(1, c);
      out += " |";
    }
    return out + "\n";
  };
  std::string out = "**" + table.title + "**\n\n" + line(table.columns) + "| --- |";
  for (size_t i = 1; i < table.columns.size(); ++i) out += " ---: |";
  out += "\n";
  for (const auto& row : table.rows) out += line(row);
  for (const std::string& note : table.notes) out += "\n" + (note.starts_with('*') ? "\\" + note : note) + "\n";
  return out;
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (char c : text) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t' ? ' ' : c;
    }
  return out;
}

std::string html_table(const Table& table) {
  bool wide = table.two_lines || table.columns.size() > kMostColumns;
  std::string out = str("<figure class=\"table", wide ? " stacked" : "", "\"><figcaption>", html_escape(table.title),
                        "</figcaption><div class=\"scroll\"><table>\n<thead><tr>");
  auto css = [&](size_t i) -> std::string { return i == table.highlighted ? " class=\"trained\"" : ""; };
  for (size_t i = 0; i < table.columns.size(); ++i)
    out += "<th" + css(i) + " scope=\"col\">" + html_escape(table.columns[i]) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    out += "<tr><th scope=\"row\">" + html_escape(row.front()) + "</th>";
    for (size_t i = 1; i < row.size(); ++i) {
      size_t sign = row[i].find(" ± ");
      std::string text = sign == std::string::npos ? html_escape(row[i])
                                                   : html_escape(row[i].substr(0, sign)) + " <span class=\"error\">" +
                                                         html_escape(row[i].substr(sign + 1)) + "</span>";
      out += "<td" + css(i) + ">" + text + "</td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody></table></div>";
  for (const std::string& note : table.notes) out += "<p class=\"note\">" + html_escape(note) + "</p>";
  return out + "</figure>\n";
}

}  // namespace longhaul
