import{a,b,c,d,e,f,g,h}from"./chunk-FD5DVWK7.js";export{c as Problem,d as api,e as askApi,h as confirmIn,a as htmx,g as openDialog,b as t,f as toast};
