// One self-contained HTML page: style and plots inline, nothing fetched, light and dark.
#pragma once
#include <string>
#include <vector>

#include "report/results.h"
#include "report/training_log.h"

namespace longhaul {

struct ReportContent {
  Results results;
  std::vector<TrainingLog> training;
  std::string command;  // that made this report
};

std::string render_page(const ReportContent& content);
std::string page_style();  // the style sheet: page_style.cpp

}  // namespace longhaul
