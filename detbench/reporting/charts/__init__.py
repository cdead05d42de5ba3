"""The charts of the page and of `detbench.plot`: a table in, plotly traces and a layout out."""
