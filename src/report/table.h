// Tables of results, and their spellings: aligned text, Markdown, HTML.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/results.h"
#include "report/training_log.h"

namespace longhaul {

struct Table {
  std::string title;  // what the figures are, with their unit and what "±" means
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // [rows][columns]; the first column is text, the others figures
  std::vector<std::string> notes;              // under the table
  size_t highlighted = SIZE_MAX;               // column of the trained length
  bool two_lines = false;                      // on a page, errors stand under their figures
};

Table perplexity_table(const Board& board);  // ± one standard error; "*" marks the trained length
Table bits_table(const Board& board);        // bits per byte of source text
Table difference_table(
    const Board& board);  // loss minus the first row's on the same windows; no rows when there is one model
Table cost_table(
    const Board& board);  // tokens/s, memory, share of skipped attention tiles at each row's longest length
Table training_table(const std::vector<TrainingLog>& logs);

std::string text_table(const Table& table);
std::string markdown_table(const Table& table);
std::string html_table(const Table& table);

// "4.61", "17.2", "1,234", "3.1e+09", "inf": three to four digits that matter.
std::string figure(double value);
// "4.612 ± 0.051", "1.122 ± 0.009": the error with two digits (one below 0.01), the mean to the same place; without an
// error
// the mean alone.
std::string with_error(const Estimate& estimate);
std::string html_escape(std::string_view text);

}  // namespace longhaul
