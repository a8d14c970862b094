"""Reports: self-contained HTML pages and the figures in them."""
