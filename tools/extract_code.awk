# Writes every ```cpp file=NAME block of a Markdown page to FOLDER/NAME:  awk -v folder=DIR -f extract_code.awk page.md
/^```cpp file=[a-z_]+\.cpp$/ { sub(/^```cpp file=/, ""); name = folder "/" $0; printf "" > name; next }
/^```$/ && name { close(name); name = ""; next }
name { print >> name }
