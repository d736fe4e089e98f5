# Writes every ```cpp file=NAME (or ```cmake file=NAME) block of a Markdown page to FOLDER/NAME:
#   awk -v folder=DIR -f extract_code.awk page.md
/^```(cpp|cmake) file=[A-Za-z_]+\.[a-z]+$/ { sub(/^.*file=/, ""); name = folder "/" $0; printf "" > name; next }
/^```$/ && name { close(name); name = ""; next }
name { print >> name }
