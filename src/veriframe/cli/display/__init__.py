"""How results reach a terminal or a script: tables, sentences, JSON and progress bars."""
