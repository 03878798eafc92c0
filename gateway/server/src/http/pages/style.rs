//! How the pages look, by the conventions of the NHS.UK design system: one sheet, no script, no font, no picture.

/// The style sheet. Nothing in it comes from what is shown.
pub(in crate::http) const SHEET: &str = "\
*,*::before,*::after{box-sizing:border-box}\
html{background:#f0f4f5;color:#212b32;font-family:Arial,sans-serif;font-size:100%;-webkit-text-size-adjust:100%}\
body{margin:0;font-size:1rem;line-height:1.5;overflow-wrap:break-word}\
@media(min-width:40.0625em){body{font-size:1.1875rem;line-height:1.47368}}\
a{color:#005eb8}a:visited{color:#330072}a:hover{color:#7c2855}\
a:focus-visible,summary:focus-visible{background:#ffeb3b;color:#212b32;outline:4px solid transparent;\
box-shadow:0 -2px #ffeb3b,0 4px #212b32;text-decoration:none}\
.skip{position:absolute;left:-999em;padding:.5rem 1rem}.skip:focus{left:0;top:0;z-index:1;background:#ffeb3b;color:#212b32}\
.band{background:#005eb8;color:#fff}.wide{max-width:60rem;margin:0 auto;padding:0 1rem}\
.band p{margin:0;padding:1rem 0;font-weight:700}\
main.wide{padding-top:1.5rem;padding-bottom:3rem}main>*{max-width:44rem}\
main:focus{outline:none}\
h1{font-size:2rem;line-height:1.2;margin:0 0 1.5rem}h2{font-size:1.375rem;line-height:1.3;margin:2rem 0 1rem}\
@media(min-width:40.0625em){h1{font-size:2.5rem}h2{font-size:1.5rem}}\
p,ul,dl{margin:0 0 1rem}\
.card{background:#fff;border:1px solid #d8dde0;padding:1.5rem;margin:0 0 1.5rem}.card>h2{margin-top:0}\
.warning{background:#fff9c4;border:1px solid #ffeb3b;border-left:8px solid #ffb81c;padding:1rem 1.5rem;margin:0 0 1.5rem}\
.warning h2{margin-top:0}.warning p:last-child,.warning ul:last-child{margin-bottom:0}\
dl div{padding:.5rem 0;border-bottom:1px solid #d8dde0}dt{font-weight:700}dd{margin:0;white-space:pre-line}\
@media(min-width:40.0625em){dl div{display:grid;grid-template-columns:1fr 2fr;gap:1rem}}\
.errors{border:4px solid #d5281b;background:#fff;padding:1.5rem;margin:0 0 1.5rem}.errors h2{margin-top:0}\
.errors a{color:#d5281b;font-weight:700}.errors ul{list-style:none;padding:0;margin:0}\
.errors:focus{outline:4px solid #ffeb3b;outline-offset:0}\
.errors a:focus-visible{color:#212b32}\
.field{margin:0 0 1.5rem}.field.wrong{border-left:4px solid #d5281b;padding-left:1rem}\
label,legend{font-weight:700}fieldset{border:0;margin:0 0 1.5rem;padding:0;min-width:0}legend{padding:0;margin:0 0 .5rem}\
.hint{color:#4c6272;margin:.25rem 0 .5rem}.fault{color:#d5281b;font-weight:700;margin:.25rem 0 .5rem}\
input[type=password],input[type=text],textarea{display:block;width:100%;max-width:32rem;min-height:44px;padding:.5rem;\
border:2px solid #4c6272;border-radius:0;background:#fff;color:#212b32;font:inherit}\
textarea{max-width:none;min-height:9rem;resize:vertical}\
.wrong input[type=password],.wrong textarea{border-color:#d5281b}\
input:focus,textarea:focus{outline:4px solid #ffeb3b;outline-offset:0;border-color:#212b32;box-shadow:inset 0 0 0 2px #212b32}\
.choice{display:flex;align-items:center;gap:.75rem;min-height:44px;margin:0 0 .5rem}\
.choice input{flex:none;width:44px;height:44px;margin:0;accent-color:#212b32}\
.choice input:focus{outline:4px solid #ffeb3b;outline-offset:0;box-shadow:0 0 0 4px #212b32}\
.choice label{font-weight:400;padding:.5rem 0;flex:1}\
button,.button{display:inline-block;min-height:44px;max-width:100%;margin:0 0 1.75rem;padding:.75rem 1rem;border:2px solid transparent;\
border-radius:4px;background:#007f3b;color:#fff;box-shadow:0 4px 0 #00401e;font:inherit;font-weight:700;line-height:1.2;\
text-align:center;text-decoration:none;cursor:pointer}\
.button:visited{color:#fff}button:hover,.button:hover{background:#00662f;color:#fff}\
button:active,.button:active{box-shadow:none;transform:translateY(4px)}\
button:focus-visible,.button:focus-visible{background:#ffeb3b;color:#212b32;box-shadow:0 4px 0 #212b32;outline:4px solid transparent}\
.second{background:#4c6272;box-shadow:0 4px 0 #263139}.second:hover{background:#384853}\
h3{font-size:1.1875rem;line-height:1.3;margin:0 0 .5rem}.work,.filters,.history{list-style:none;padding:0;margin:0 0 1.5rem}\
.work p,.history p{margin:0 0 .5rem}.filters li{margin:0}.filters a{display:inline-block;min-height:44px;padding:.5rem .5rem .5rem 0}\
.filters a[aria-current]{font-weight:700;color:#212b32;text-decoration:none}.urgent{color:#b10d28}.said{white-space:pre-line}\
.history li{border-left:4px solid #005eb8;padding:0 0 .5rem 1rem;margin:0 0 .5rem}\
.answers{list-style:none;padding:0}.answers li{margin:0 0 .25rem}\
footer{border-top:4px solid #005eb8;background:#d8dde0;padding:1.5rem 0}footer p{margin:0;max-width:44rem}\
@media(max-width:40em){button,.button{display:block;width:100%}}\
@media(prefers-reduced-motion:reduce){*,*::before,*::after{transition:none!important;animation:none!important}\
button:active,.button:active{transform:none}}\
@media(forced-colors:active){a:focus-visible,button:focus-visible,.button:focus-visible,input:focus,textarea:focus,\
.errors:focus{outline:4px solid Highlight}button,.button,.card,.warning,.errors{border:2px solid currentColor}}\
@media print{html{background:#fff}.skip,form,.answers,footer{display:none}.band{background:none;color:#212b32}\
.card{border:0;padding:0}a{color:inherit}section,dl div{break-inside:avoid}}\
";
