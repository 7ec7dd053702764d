"""The front door: the command line, the HTTP service and the page. The only room that imports all the others."""
