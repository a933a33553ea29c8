//! A browser without eyes: keeps cookies, sends forms, and follows redirects as far as
//! it is told to. Shared with the tests of `connect`.

use std::collections::BTreeMap;

use reqwest::header::{ACCEPT, COOKIE, LOCATION, ORIGIN, REFRESH, SET_COOKIE};
use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};

/// Redirects in a row, at most.
const HOPS_MAX: usize = 20;

/// Cookies are kept by host and port, whatever their path.
#[derive(Clone)]
pub struct Browser {
    client: Client,
    cookies: BTreeMap<(String, String), String>,
}

/// What a browser shows, or where it was about to go.
pub struct Page {
    pub url: Url,
    pub status: StatusCode,
    pub text: String,
}

impl Page {
    /// A parameter of the URL's query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl Browser {
    pub fn new() -> Self {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, cookies: BTreeMap::new() }
    }

    /// Opens a page. A redirect, by status or by `Refresh`, to a URL that begins with `until` is not followed:
    /// that URL is what is returned, with nothing on it.
    pub async fn open(&mut self, url: &str, until: &str) -> Page {
        let url = Url::parse(url).unwrap();
        let request = self.client.get(url.clone());
        self.go(url, request, until).await
    }

    /// From now on it has the cookies of the one site at the other: both stand behind one address.
    pub fn carry(&mut self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|url| Url::parse(url).unwrap().authority().to_owned());
        let of_site = self.cookies.iter().filter(|((host, _), _)| *host == from);
        let carried: Vec<_> = of_site.map(|((_, name), value)| ((to.clone(), name.clone()), value.clone())).collect();
        self.cookies.extend(carried);
    }

    /// Sends the page's first form with these fields beside those that it has.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)], until: &str) -> Page {
        let (action, mut form) = form(&page.text);
        form.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let url = page.url.join(&action).unwrap();
        let request = self.client.post(url.clone()).header(ORIGIN, page.url.origin().ascii_serialization()).form(&form);
        self.go(url, request, until).await
    }

    /// As a script of the page at this URL does: JSON comes back.
    pub async fn fetch(&mut self, url: &str, fields: &[(&str, &str)]) -> Page {
        let url = Url::parse(url).unwrap();
        let origin = url.origin().ascii_serialization();
        let request = self.client.post(url.clone()).header(ORIGIN, origin).form(fields);
        self.go(url, request.header(ACCEPT, "application/json"), "-").await
    }

    async fn go(&mut self, mut url: Url, mut request: RequestBuilder, until: &str) -> Page {
        for _ in 0..HOPS_MAX {
            let answer = request.header(COOKIE, self.cookies_for(&url)).send().await.unwrap();
            for cookie in answer.headers().get_all(SET_COOKIE) {
                self.keep(&url, cookie.to_str().unwrap());
            }
            let status = answer.status();
            let headers = answer.headers();
            let refresh = headers.get(REFRESH).map(|value| value.to_str().unwrap().split_once("url=").unwrap().1);
            let location = headers.get(LOCATION).filter(|_| status.is_redirection());
            let Some(location) = location.map(|value| value.to_str().unwrap()).or(refresh) else {
                return Page { url, status, text: answer.text().await.unwrap() };
            };
            url = url.join(location).unwrap();
            if url.as_str().starts_with(until) {
                return Page { url, status, text: String::new() };
            }
            request = self.client.get(url.clone());
        }
        panic!("more than {HOPS_MAX} redirects, the last to {url}");
    }

    fn keep(&mut self, url: &Url, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        let key = (url.authority().to_owned(), name.to_owned());
        let gone = cookie.to_ascii_lowercase().contains("max-age=0") || value.is_empty();
        if gone {
            self.cookies.remove(&key)
        } else {
            self.cookies.insert(key, value.to_owned())
        };
    }

    fn cookies_for(&self, url: &Url) -> String {
        let of_host = self.cookies.iter().filter(|((host, _), _)| host == url.authority());
        of_host.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

/// Where the first form goes to, and what it holds already.
fn form(html: &str) -> (String, BTreeMap<String, String>) {
    let form = html.split_once("<form").unwrap_or_else(|| panic!("no form on this page: {html}")).1;
    let form = form.split("</form>").next().unwrap();
    let fields = form.split("<input").skip(1).filter_map(|input| {
        let input = input.split('>').next()?;
        // A box that nobody ticked is not sent.
        (attribute(input, "type").as_deref() != Some("checkbox"))
            .then(|| attribute(input, "name").map(|name| (name, attribute(input, "value").unwrap_or_default())))?
    });
    (attribute(form.split('>').next().unwrap(), "action").unwrap_or_default(), fields.collect())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!("{name}=\""))?.1.split('"').next()?;
    Some(value.replace("&amp;", "&").replace("&quot;", "\"").replace("&#x2F;", "/"))
}
