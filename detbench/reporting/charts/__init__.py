"""The charts of the page and of `detbench.plot`: a table in, plotly's traces and layout out."""
